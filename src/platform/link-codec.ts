/** Texts of the link to checked messages: what does not fit the protocol is refused, whoever sent it. */
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { AppError } from '../core/errors.ts'

/** Makes the reader of one direction's messages. The reader throws AppError `invalid_request`. */
export function messageReader<T extends TSchema>(schema: T): (text: string) => Static<T> {
  const validator = Compile(schema)
  return (text) => {
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      throw new AppError('invalid_request', 'a message of the link is no JSON')
    }
    if (validator.Check(message)) return message
    const type =
      typeof message === 'object' && message !== null && 'type' in message ? String(message.type) : 'none'
    throw new AppError(
      'invalid_request',
      `a message of the link does not fit the protocol (type ${type.slice(0, 30)})`,
    )
  }
}
