/** Completion in real shells on a terminal, against a real cluster. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { itWith } from '../support/it-with.ts'
import { Program, root } from '../support/program.ts'
import { type ShellName, typeTab } from '../support/shell.ts'

describe('completion', () => {
  let cluster: LocalCluster
  let failed = ''
  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['alpha', 'beta'] })
    const submit = cluster.cli('submit', '--wait', '--name', 'went wrong', '--', 'false')
    await submit.ended
    failed = submit.stdout.trim()
  })
  afterAll(() => cluster.close())

  const env = (more: Record<string, string> = {}) => ({
    PATH: `${join(root, 'bin')}:${process.env.PATH}`,
    HAKURIVER_HOME: cluster.home,
    HAKURIVER_HOST_URL: '',
    HAKURIVER_TOKEN: '',
    ...more,
  })
  const home = (shell: ShellName) => {
    const path = join(cluster.dir, shell)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'only-file.env'), '')
    mkdirSync(join(path, 'only-directory'), { recursive: true })
    return path
  }

  describe.each<ShellName>(['bash', 'zsh', 'fish'])('in %s', (shell) => {
    itWith(['script', shell]).each([
      ['hakuriver sub', 'hakuriver submit '],
      ['hakuriver task sho', 'hakuriver task show '],
      ['hakuriver submit --tar', 'hakuriver submit --target '],
      ['hakuriver submit -t al', 'hakuriver submit -t alpha'],
      ['hakuriver submit -t alpha -t an', 'hakuriver submit -t alpha -t any '],
      ['hakuriver submit --target=any -t be', 'hakuriver submit --target=any -t beta'],
      ['hakuriver ps --node be', 'hakuriver ps --node beta '],
      ['hakuriver node show al', 'hakuriver node show alpha '],
      ['hakuriver ps --status lost,fai', 'hakuriver ps --status lost,failed '],
      ['hakuriver wait --exit-status n', 'hakuriver wait --exit-status never '],
      ['hakuriver logs la', 'hakuriver logs last '],
      ['hakuriver kill batch:l', 'hakuriver kill batch:last '],
      ['hakuriver submit --env-file only-f', 'hakuriver submit --env-file only-file.env '],
      ['hakuriver submit --cwd only-d', 'hakuriver submit --cwd only-directory/'],
      ['hakuriver submit -t any -- sha256su', 'hakuriver submit -t any -- sha256sum '],
      ['hakuriver submit -t alpha: -- cat only-f', 'hakuriver submit -t alpha: -- cat only-file.env '],
      ['hakuriver host --bi', 'hakuriver host --bind '],
      ['hakuriver.runner --join-token-f', 'hakuriver.runner --join-token-file '],
      ['hakuriver.client --list', 'hakuriver.client --list-nodes '],
      ['hakurun --zi', 'hakurun --zip '],
    ])('%j becomes %j', async (typed, wanted) => {
      const { line } = await typeTab(shell, typed, home(shell), env())
      // a node may go on with a NUMA node: then there is no space yet
      expect([wanted, wanted.trimEnd(), `${wanted.trimEnd()} `]).toContain(line)
    })

    itWith(['script', shell])('completes ids, and tells of each', async () => {
      const { line } = await typeTab(shell, `hakuriver show ${failed.slice(0, 5)}`, home(shell), env())
      expect(line).toContain(`hakuriver show ${failed}`)
      const { screen } = await typeTab(shell, 'hakuriver show ', home(shell), env())
      expect(screen).toContain(failed)
      if (shell !== 'bash') expect(screen).toMatch(/failed +went wrong/)
    })

    itWith(['script', shell])('runs nothing of what is typed', async () => {
      const { line } = await typeTab(shell, 'hakuriver show $(touch ran) `touch ran` la', home(shell), env())
      expect(line).toContain('touch ran')
      expect(existsSync(join(home(shell), 'ran'))).toBe(false)
    })

    itWith(['script', shell])('is silent where the host is away', async () => {
      const away = env({ HAKURIVER_HOST_URL: 'http://127.0.0.1:1' })
      const { line, screen } = await typeTab(shell, 'hakuriver ps --node al', home(shell), away)
      expect(line).toBe('hakuriver ps --node al')
      expect(screen).not.toMatch(/cannot|reach|error/i)
    })
  })

  itWith(['script', 'bash'])('bash asks what an alias stands for', async () => {
    const alias = `alias hakuriver=${join(root, 'bin/hakuriver')}`
    // the program is not in PATH under its name
    const PATH = process.env.PATH ?? ''
    const { line } = await typeTab('bash', 'hakuriver ps --node al', home('bash'), env({ PATH }), alias)
    expect(line).toBe('hakuriver ps --node alpha ')
  })

  it('--install puts the script to where the shell looks', async () => {
    const path = home('fish')
    const program = new Program(
      process.execPath,
      [join(root, 'dist/hakuriver.cjs'), 'completion', 'fish', '--install'],
      {
        ...env(),
        HOME: path,
        XDG_CONFIG_HOME: '',
      },
    )
    expect(await program.ended).toEqual({ code: 0, signal: null })
    const written = join(path, '.config/fish/completions/hakuriver.fish')
    expect(program.stdout).toContain(`Wrote ${written}\n`)
    expect(readFileSync(written, 'utf8')).toContain('__complete')
  })

  itWith(['shellcheck'])('shellcheck has nothing to say', () => {
    execFileSync('shellcheck', [join(root, 'src/cli/completions/hakuriver.bash')], { stdio: 'pipe' })
  })
})
