/**
 * What systemd itself can do, measured in a lab machine: `wait N`: milliseconds of each of N `systemd-run --wait
 * true`; `units N P`: units per second, N of them, P at a time over one D-Bus connection. Prints JSON.
 */
import { spawnSync } from 'node:child_process'
import { DbusConnection } from '../src/platform/dbus/connection.ts'
import { type DbusValue, Variant } from '../src/platform/dbus/marshal.ts'

const [mode, count = '100', parallel = '16'] = process.argv.slice(2)

if (mode === 'wait') {
  const times = Array.from({ length: Number(count) }, () => {
    const from = performance.now()
    const { status } = spawnSync('systemd-run', ['--quiet', '--wait', '--collect', 'true'])
    if (status !== 0) throw new Error('systemd-run failed')
    return performance.now() - from
  })
  process.stdout.write(`${JSON.stringify(times)}\n`)
} else {
  process.stdout.write(`${JSON.stringify(await unitsPerSecond(Number(count), Number(parallel)))}\n`)
}

async function unitsPerSecond(units: number, atOnce: number): Promise<number> {
  const gone = new Map<string, () => void>()
  let isDone = false
  const connection = await DbusConnection.open({
    path: '/run/systemd/private',
    isBus: false,
    onSignal: (message) => {
      if (message.member === 'UnitRemoved') gone.get(String(message.body[0]))?.()
    },
    onClose: (reason) => {
      if (!isDone) throw new Error(`systemd closed the connection: ${reason}`)
    },
  })
  const run = async (number: number) => {
    const name = `bare-${process.pid}-${number}.service`
    const end = new Promise<void>((resolve) => gone.set(name, resolve))
    const properties: [string, Variant][] = [
      ['Type', new Variant('s', 'exec')],
      ['CollectMode', new Variant('s', 'inactive-or-failed')],
      ['CPUAccounting', new Variant('b', true)],
      ['MemoryAccounting', new Variant('b', true)],
      ['ExecStart', new Variant('a(sasb)', [['/bin/true', ['/bin/true'], false]])],
    ]
    const body: DbusValue[] = [name, 'fail', properties, []]
    await connection.call({
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Manager',
      member: 'StartTransientUnit',
      signature: 'ssa(sv)a(sa(sv))',
      body,
    })
    await end
    gone.delete(name)
  }
  let next = 0
  const from = performance.now()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < units) {
        next += 1
        await run(next)
      }
    }),
  )
  const rate = (units * 1000) / (performance.now() - from)
  isDone = true
  connection.close()
  return rate
}
