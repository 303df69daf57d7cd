import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { waitFor } from '../../platform/wait.ts'
import { hostJson, makePrograms, type Programs } from './programs.suite.ts'
import { identify, isAlive, readUpState, type UpState } from './state.ts'

async function ready(home: string): Promise<UpState> {
  return waitFor('the cluster', async () => {
    const state = await readUpState(home)
    return state?.url === null ? null : state
  })
}

/** The processes of a cluster. */
function all({ up, children }: UpState) {
  return [up, ...children]
}

function child(state: UpState, name: string) {
  const found = state.children.find((each) => each.name === name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}

it('starts a cluster, says what it is, and ends it in order on Ctrl-C', async () => {
  const { home, run } = makePrograms()
  const up = run(['up', '--port', '0'])
  await waitFor('the end of what it says', () => up.out().includes('Ctrl-C'))
  const { url } = hostJson(home)
  expect(up.out()).toContain(`HakuRiver is up at ${url}\n`)
  expect(up.out()).toContain('node1: 4 cores, 8 GiB')
  expect(up.out()).toContain('process: systemd does not run here')
  expect(up.out()).toContain('not enforced')
  for (const next of ['hakuriver submit -- echo hello', 'hakuriver logs -f last', 'hakuriver ps']) {
    expect(up.out()).toContain(`  ${next}\n`)
  }
  expect(up.out()).toContain(`Web: ${url}/login#code=abc\n`)
  const state = await ready(home)
  expect(all(state).map(isAlive)).toEqual([true, true, true])
  expect(statSync(join(home, 'up.json')).mode & 0o777).toBe(0o600)
  up.kill('SIGINT')
  expect((await up.ended).code).toBe(0)
  expect(all(state).map(isAlive)).toEqual([false, false, false])
  expect(existsSync(join(home, 'up.json'))).toBe(false)
})

it('hands a named configuration on to host and runner', async () => {
  const { home, run } = makePrograms()
  const path = join(home, 'other.toml')
  writeFileSync(path, '[network]\nhost_bind_ip = "10.9.8.7"\n')
  const up = await run(['up', '--detach', '--port', '0', '--config', path]).ended
  expect(up).toMatchObject({
    code: 0,
    out: expect.stringContaining('hakuriver runner --host http://10.9.8.7:'),
  })
  for (const { pid } of (await ready(home)).children)
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toContain(`HAKURIVER_CONFIG=${path}`)
  expect(await run(['down']).ended).toMatchObject({ code: 0 })
})

it('goes to the background, is not started twice, and is stopped by down', async () => {
  const { home, run } = makePrograms()
  const first = await run(['up', '--detach', '--port', '0']).ended
  expect(first).toMatchObject({ code: 0, err: '' })
  expect(first.out).toContain('`hakuriver down` stops it')
  expect(first.out).toContain('/login#code=abc\n')
  const state = await ready(home)
  expect(all(state).map(isAlive)).toEqual([true, true, true])
  for (const words of [['up'], ['up', '-d'], ['up', '-d', '--port', '0']]) {
    const again = await run(words).ended
    expect(again).toEqual({
      code: 0,
      out: `HakuRiver is up already at ${state.url} (process ${state.up.pid}); \`hakuriver down\` stops it.\n`,
      err: '',
    })
  }
  const json = await run(['up', '--json']).ended
  expect(JSON.parse(json.out)).toEqual({ url: state.url, pid: state.up.pid, node: 'node1', home })
  const down = await run(['down']).ended
  expect(down.code).toBe(0)
  expect(down.out).toContain(`Stopped the cluster at ${state.url}: host (process`)
  expect(all(state).map(isAlive)).toEqual([false, false, false])
  expect(await run(['down']).ended).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse((await run(['down', '--json']).ended).out)).toEqual({ stopped: [], home })
})

it('prints one JSON object', async () => {
  const { home, run } = makePrograms()
  const { code, out, err } = await run(['up', '-d', '--json', '--port', '0']).ended
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const { url, up } = await ready(home)
  expect(JSON.parse(out)).toEqual({ url, pid: up.pid, node: 'node1', home })
})

it('starts one cluster where several are asked for at once', async () => {
  const { home, run } = makePrograms()
  const ran = await Promise.all([1, 2, 3].map(() => run(['up', '-d', '--json', '--port', '0']).ended))
  const { url, up } = await ready(home)
  for (const { code, out } of ran) {
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ url, pid: up.pid })
  }
})

it('starts a child that died again, the host at the same port', async () => {
  const { home, run } = makePrograms()
  const up = run(['up', '--port', '0'])
  const before = await ready(home)
  await waitFor('the end of what it says', () => up.out().includes('Ctrl-C'))
  process.kill(child(before, 'host').pid, 'SIGKILL')
  const after = await waitFor('another host', async () => {
    const state = await readUpState(home)
    return state !== null && child(state, 'host').pid !== child(before, 'host').pid ? state : null
  })
  await waitFor('its address', () => hostJson(home).pid === child(after, 'host').pid)
  expect(hostJson(home).url).toBe(before.url)
  expect(up.err()).toContain('The host ended by itself (SIGKILL); starting it again in 0.5 s.')
  expect(child(after, 'runner')).toEqual(child(before, 'runner'))
  up.kill('SIGTERM')
  await up.ended
  expect(all(after).map(isAlive)).toEqual([false, false, false])
})

async function killedUp({ home, run }: Programs): Promise<UpState> {
  const up = run(['up', '--port', '0'])
  const state = await ready(home)
  up.kill('SIGKILL')
  await up.ended
  expect(all(state).map(isAlive)).toEqual([false, true, true])
  return state
}

it('clears away what a killed up left behind before it starts anew', async () => {
  const programs = makePrograms()
  const left = await killedUp(programs)
  const up = programs.run(['up', '--port', '0'])
  await waitFor('the end of what it says', () => up.out().includes('Ctrl-C'))
  expect(up.err()).toContain('left behind: host and runner')
  expect(left.children.map(isAlive)).toEqual([false, false])
  expect(all(await ready(programs.home)).map(isAlive)).toEqual([true, true, true])
  up.kill('SIGINT')
  await up.ended
})

it('down stops what a killed up left behind', async () => {
  const programs = makePrograms()
  const left = await killedUp(programs)
  expect((await programs.run(['down']).ended).code).toBe(0)
  expect(left.children.map(isAlive)).toEqual([false, false])
})

it.each([[['up']], [['up', '--detach']]])(
  '%j tells why the host did not start, and leaves nothing behind',
  async (words) => {
    const { home, run } = makePrograms()
    const { code, out, err } = await run(words, { FAKE_HOST_FAILS: '1' }).ended
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toBe(
      [
        'hakuriver: the host did not start (exit code 1)',
        '  | hakuriver host: something else listens on the port',
        '  Take another port: hakuriver up --port 0 takes any free one.',
        '',
      ].join('\n'),
    )
    expect(await readUpState(home)).toBeNull()
  },
)

it('knows a process from a later one of the same number', () => {
  const own = identify(process.pid)
  expect(own).not.toBeNull()
  expect(isAlive({ pid: process.pid, startTicks: '1' })).toBe(false)
  expect(own !== null && isAlive(own)).toBe(true)
  expect(identify(2 ** 22 + 1)).toBeNull()
})
