import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { waitFor } from '../../../src/platform/wait.ts'
