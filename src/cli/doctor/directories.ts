/** Judges directories: are they there, who can write, how much room, on what, and are they one. Pure. */

import { shellQuote } from '../../core/text.ts'
import { formatBytes } from '../../core/units.ts'
import type { RunnerFacts } from '../../platform/check-facts.ts'
import type { DirectoryFacts } from '../../platform/directory-check.ts'
import { isNetworkType } from '../../platform/mounts.ts'
import { advice, type Finding, notChecked, ok, problem, warning } from './finding.ts'

export interface DirectoryNeeds {
  id: string
  /** As a sentence has it, such as `shared_dir`. */
  name: string
  /** Who makes it where it is missing; null: nobody. */
  madeBy: string | null
  /** What it means that another machine keeps it; null: nothing. */
  onNetwork: { status: 'warning' | 'problem'; why: string; fix: string } | null
  /** Is it enough that it can be read? */
  readOnly?: boolean
}

const leastFreeBytes = 1024 ** 3
const leastFreeShare = 0.05

/** One finding on whether it can be used, and one for each of little room and a bad place. */
export function directoryFindings(facts: DirectoryFacts, needs: DirectoryNeeds): Finding[] {
  const usable = usableFinding(facts, needs)
  if (facts.state !== 'ok') return [usable]
  return [usable, ...spaceFindings(facts, needs), ...networkFindings(facts, needs)]
}

function usableFinding(facts: DirectoryFacts, needs: DirectoryNeeds): Finding {
  const { path, user, why, state } = facts
  const { id, name } = needs
  const where = `${name} ${path}`
  const quoted = shellQuote(path)
  switch (state) {
    case 'ok':
      return ok(id, `${where}: the user ${user} can write there${roomOf(facts)}${placeOf(facts)}`)
    case 'absent':
      if (needs.madeBy !== null && facts.canBeMade)
        return ok(id, `${where} is not there yet: ${needs.madeBy} makes it`)
      return problem(id, `${where} does not exist`, missingAdvice(facts))
    case 'not_a_directory':
      return problem(
        id,
        `${where} is not a directory`,
        advice('Write another path, or see what it is:', `ls -ld ${quoted}`),
      )
    case 'not_writable':
      if (needs.readOnly === true) return ok(id, `${where}: the user ${user} can read there${placeOf(facts)}`)
      return problem(id, `the user ${user} cannot write in ${where}: ${why ?? 'refused'}`, writeAdvice(facts))
    case 'no_entry':
      return problem(id, `the user ${user} may not enter ${where}: ${why ?? 'refused'}`, rightsAdvice(facts))
    case 'hung':
      return problem(id, `${where} hangs: ${why}${placeOf(facts)}`, hungAdvice(facts))
    case 'unknown':
      return notChecked(id, `${where} could not be tried as the user ${user}: ${why ?? 'nothing was said'}`)
  }
}

function missingAdvice({ path, user }: DirectoryFacts): string {
  return advice(
    'Mount what belongs there, or make it:',
    `sudo install -d -o ${shellQuote(user)} ${shellQuote(path)}`,
  )
}

function writeAdvice(facts: DirectoryFacts): string {
  const quoted = shellQuote(facts.path)
  if (facts.why?.includes('Read-only'))
    return advice('It is mounted read-only. See how, and mount it anew:', `findmnt -T ${quoted}`)
  if (facts.why?.includes('No space'))
    return advice('Its disk is full. See what fills it:', `du -xsh ${quoted}/*`)
  return rightsAdvice(facts)
}

function rightsAdvice({ path, user }: DirectoryFacts): string {
  return advice(
    `Give the user ${user} the right, for example by making the directory theirs:`,
    `sudo chown ${shellQuote(user)} ${shellQuote(path)}`,
    `namei -l ${shellQuote(path)}    # who may enter, from / on`,
  )
}

function hungAdvice({ path, mount }: DirectoryFacts): string {
  const at = shellQuote(mount !== null && mount.at !== '/' ? mount.at : path)
  return advice(
    'What keeps it does not answer, and every task that touches it hangs too. When the file server and the network are well again and it still hangs:',
    `sudo umount -l ${at} && sudo mount ${at}`,
  )
}

function roomOf({ freeBytes }: DirectoryFacts): string {
  return freeBytes === null ? '' : `; ${formatBytes(freeBytes)} free`
}

function placeOf({ mount }: DirectoryFacts): string {
  return mount !== null && isNetworkType(mount.type) ? ` (${mount.type} from ${mount.source})` : ''
}

function spaceFindings({ path, freeBytes, totalBytes }: DirectoryFacts, needs: DirectoryNeeds): Finding[] {
  if (freeBytes === null || totalBytes === null || needs.readOnly === true) return []
  if (freeBytes >= leastFreeBytes && freeBytes >= totalBytes * leastFreeShare) return []
  const found = `only ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free for ${needs.name} ${path}`
  const fix = advice('Make room, or take a larger disk. See what fills it:', `du -xsh ${shellQuote(path)}/*`)
  return [warning(`${needs.id}-space`, found, fix)]
}

function networkFindings(
  { path, mount }: DirectoryFacts,
  { id, name, onNetwork }: DirectoryNeeds,
): Finding[] {
  if (onNetwork === null || mount === null || !isNetworkType(mount.type)) return []
  const make = onNetwork.status === 'problem' ? problem : warning
  const found = `${name} ${path} lies on another machine (${mount.type} from ${mount.source}): ${onNetwork.why}`
  return [make(`${id}-network`, found, onNetwork.fix)]
}

/** The directories of a runner, and the proof that the shared one is shared. */
export function runnerDirectories(facts: RunnerFacts): Finding[] {
  if (facts.config === null) return []
  return [
    ...tried(facts.stateDir, {
      id: 'state-dir',
      name: 'the state directory',
      madeBy: 'the runner',
      onNetwork: {
        status: 'warning',
        why: 'when that one is gone, the runner stops',
        fix: advice(
          'Take a local disk, with --state-dir or:',
          'HAKURIVER_RUNNER_STATE_DIR=/var/lib/hakuriver',
        ),
      },
    }),
    ...tried(facts.localTempDir, {
      id: 'local-temp-dir',
      name: 'local_temp_dir',
      madeBy: 'the runner',
      onNetwork: {
        status: 'warning',
        why: 'it is meant to be fast',
        fix: advice('Take a local disk, in config.toml:', '[paths]', 'local_temp_dir = "/var/tmp/hakuriver"'),
      },
    }),
    ...sharedDirectory(facts),
  ]
}

function tried(facts: DirectoryFacts | null, needs: DirectoryNeeds): Finding[] {
  if (facts === null) return [notChecked(needs.id, `${needs.name} was not looked at in time`)]
  return directoryFindings(facts, needs)
}

function sharedDirectory(facts: RunnerFacts): Finding[] {
  const { sharedDir, sharedDirOfTasks } = facts
  if (sharedDir === null)
    return [ok('shared-dir', 'no shared_dir is set: logs come to the host through the link')]
  // the launcher writes there, as root
  const readOnly = facts.hasLauncher
  const needs = { id: 'shared-dir', name: 'shared_dir', madeBy: null, onNetwork: null, readOnly }
  const findings = directoryFindings(sharedDir, needs)
  if (readOnly && sharedDir.state === 'not_writable') return [...findings, sameFinding(facts)]
  if (sharedDir.state !== 'ok') return findings
  return [...findings, ...tasksFindings(sharedDirOfTasks), sameFinding(facts)]
}

/** Logs are written by the runner; tasks may want to write there themselves. */
function tasksFindings(facts: DirectoryFacts | null): Finding[] {
  if (facts === null || facts.state === 'ok') return []
  const needs = { id: 'shared-dir-tasks', name: 'shared_dir', madeBy: null, onNetwork: null }
  const found = usableFinding(facts, needs)
  if (found.status === 'not_checked') return [found]
  return [{ ...found, status: 'warning', found: `${found.found} (logs are written all the same)` }]
}

/** Do host and node have the same directory? A file that was written here tells. */
export function sameFinding({ sharedFile, sharedDir }: RunnerFacts): Finding {
  const id = 'shared-dir-same'
  if (sharedFile === null || sharedDir === null)
    return notChecked(id, 'whether the host has the same shared_dir: no file could be left there')
  const { answer, why, size, sha256 } = sharedFile
  if (answer === null)
    return notChecked(id, `whether the host has the same shared_dir: it could not be asked (${why})`)
  const { path } = sharedDir
  const there = answer.directory ?? 'none'
  switch (answer.state) {
    case 'found':
      if (answer.size === size && answer.sha256 === sha256)
        return ok(id, `the host sees in ${there} what is written here: it is the same directory`)
      return problem(
        id,
        `the host sees a file of this check in ${there}, but with other bytes`,
        advice('The file system between host and node is not sound. See what it is:', findmnt(path)),
      )
    case 'absent':
      return problem(
        id,
        `the host does not see in ${there} what is written to ${path} here: they are not the same directory`,
        advice(
          'Mount the same file system on both, and set its path as shared_dir on each. What it is here, and on the host:',
          findmnt(path),
          findmnt(there),
        ),
      )
    case 'unreadable':
      return problem(
        id,
        `the host may not read in ${there} what is written here`,
        advice(
          'Let the host run as a user who may read there. On the host:',
          `namei -l ${shellQuote(there)}`,
        ),
      )
    case 'hung':
      return problem(
        id,
        `${there} hangs on the host`,
        advice('Logs cannot be read from it. On the host:', 'hakuriver doctor host'),
      )
    case 'no_directory':
      return warning(
        id,
        'the host has no shared_dir set: it asks for logs through the link',
        advice(
          "Set it in the host's config.toml, and start the host again:",
          '[paths]',
          `shared_dir = ${JSON.stringify(path)}`,
        ),
      )
  }
}

function findmnt(path: string): string {
  return `findmnt -T ${shellQuote(path)}`
}
