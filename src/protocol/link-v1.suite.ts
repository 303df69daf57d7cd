/** What a host may send to a runner that speaks version 1 of the link, as that version had it. It changes no more. */
import { Type } from 'typebox'

const closed = { additionalProperties: false } as const
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])
const TaskId = Type.String({ pattern: '^[0-9]{1,16}$' })
const Attempt = Type.Integer({ minimum: 1 })

const Spec = Type.Object(
  {
    command: Type.String(),
    arguments: Type.Array(Type.String()),
    env: Type.Record(Type.String(), Type.String()),
    cwd: orNull(Type.String()),
    name: orNull(Type.String()),
    cores: Type.Integer(),
    memoryBytes: orNull(Type.Integer()),
    timeoutMs: orNull(Type.Integer()),
    privateNetwork: Type.Boolean(),
    privatePids: Type.Boolean(),
    queue: Type.Boolean(),
  },
  closed,
)

export const FromHostV1 = Type.Union([
  Type.Object(
    { type: Type.Literal('welcome'), version: Type.Literal(1), heartbeatMs: Type.Integer() },
    closed,
  ),
  Type.Object(
    { type: Type.Literal('refused'), code: Type.String(), message: Type.String(), retry: Type.Boolean() },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal('start'),
      taskId: TaskId,
      attempt: Attempt,
      batchId: TaskId,
      spec: Spec,
      numaId: orNull(Type.Integer()),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal('kill'), taskId: TaskId, attempt: Attempt }, closed),
  Type.Object({ type: Type.Literal('ack'), seq: Type.Integer() }, closed),
  Type.Object(
    {
      type: Type.Literal('log_read'),
      requestId: Type.Integer(),
      taskId: TaskId,
      attempt: Attempt,
      stream: Type.Enum(['stdout', 'stderr']),
      offset: Type.Integer({ minimum: 0 }),
      limit: Type.Integer({ minimum: 1 }),
      waitMs: Type.Integer({ minimum: 0 }),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal('log_cancel'), requestId: Type.Integer() }, closed),
])
