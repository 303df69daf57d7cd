/** `docs/threats.md`: what could do harm, what stands against it, and the tests that show it, each looked up by its name. */
import { readFileSync } from 'node:fs'

interface Threat {
  threat: string
  stand: string
  /** Names of tests by their file. */
  shown: Readonly<Record<string, readonly string[]>>
  /** What is not so, or not shown. */
  gap?: string
}

const threats: readonly Threat[] = [
  {
    threat: 'An API that is open to whoever finds it',
    stand: 'Nobody is let in without a token but by `--insecure-loopback`, which binds loopback only; each route has a row in [the table of access](access.md), and each cell of it is called',
    shown: { 'src/host/access-table.test.ts': ['has a row for every route of the server, and a route for every row'], 'test/systemd/launcher.test.ts': ['reach nothing of what is around them'] },
  },
  {
    threat: 'A false host, a false runner',
    stand: 'TLS by an authority of the cluster; an invitation carries its fingerprint, which is compared before the secret leaves; it is good once and for an hour; each node has a certificate of its own, which is revoked at once',
    shown: {
      'src/runner/join.test.ts': ['says nothing at all to a host of another authority', 'says nothing to a node that shows its own certificate as a host', 'does not trust a host that the environment would'],
      'src/host/pki/join.test.ts': ['is refused in one sentence for a used, an old, an unknown and another kind of secret', 'opens nothing but the link, the checks, and its own renewal', 'is of one node and of one machine'],
      'test/cluster/join.test.ts': ['ends the link of a revoked node within a second, and lets it in again only by an invitation', 'changes the authority while a task runs, and cuts nobody off'],
      'test/cluster/people.test.ts': ['trusts a host of TLS by its invitation alone'],
    },
  },
  {
    threat: 'A name of a node taken over, an address that the host is made to call',
    stand: 'Runners dial and listen on nothing; no address is taken from them; a name belongs to its certificate',
    shown: { 'src/host/pki/join.test.ts': ['takes over no name but with an invitation for it'], 'test/systemd/walk.test.ts': ['nothing listens on a node but the host, and what the network reaches is not root'] },
  },
  {
    threat: 'A runner that tells of tasks that are not its own',
    stand: 'A report counts for the runner that the attempt was sent to, at its current attempt',
    shown: { 'test/fuzz/link.ts': ['the link, from a hostile runner'], 'src/host/links.test.ts': ['is not believed of another, or of a time that cannot be'] },
  },
  {
    threat: 'A user who does what only others may',
    stand: 'Roles; own tasks and those of others; no token is stronger than its maker; ids are compared whole',
    shown: {
      'src/host/owners.test.ts': ['is ended by its owner and by operators', 'is run again only by who may, and belongs to him then', 'has an output for its owner and for operators, by whichever way', 'is in no list, event, stream, count, usage or answer to others, and in no search'],
      'src/host/identity.property.test.ts': ['lets nobody do more than the model says, also after a restart'],
      'test/web/people.test.ts': ['an admin adds a user, who comes by the link, works, touches nothing of others, and is put out at once'],
    },
  },
  {
    threat: 'Root through the runner',
    stand: 'What the network reaches is an ordinary user; a small launcher without network takes a fixed form from it alone, and makes all paths and properties itself',
    shown: {
      'src/runner/launcher/fuzz.test.ts': ['makes only units of its own, whatever it is asked (PIDs by systemd: %s)', 'takes a stream of any bytes in any parts, and hangs up on a line without an end'],
      'src/cli/system-units.test.ts': ['has nothing in it that speaks over a network'],
      'test/systemd/launcher.test.ts': ['nothing that the network reaches is root', 'is refused: other users by the socket, a second runner by systemd', 'a configuration that others could write is believed by nobody'],
    },
    gap: 'A runner with `--sudo` is root in all but name',
  },
  {
    threat: 'A task that runs as somebody else',
    stand: "Users are mapped to local ones in the node's configuration; of whom it does not name, nothing runs; root only by name",
    shown: { 'src/core/local-user.test.ts': ['is somebody only where a rule says so, and then only whom the rule says'], 'test/systemd/launcher.test.ts': ['run as whom the node says, with nothing else', 'of an owner whom the node does not map are refused, and of none are root but by name'] },
  },
  {
    threat: 'Words of a user that become words of a unit or a shell',
    stand: 'They lie in a script, as quoted bytes; a unit has only our own words',
    shown: { 'src/runner/executors/script.test.ts': ['every byte but NUL arrives as argument, variable and directory', 'what is quoted is one word of a shell'], 'src/runner/executors/systemd/unit.test.ts': ['nothing that the user gave stands in it, all of it in the script'] },
  },
  {
    threat: 'Secrets that are seen on the way',
    stand: 'Write-only; encrypted in the store; sent with the start alone; in the environment of the task and nowhere else',
    shown: { 'test/systemd/secrets.test.ts': ['arrive at a task on a node, and its start script alone holds them', 'leave nothing behind, however the task ends: 0 hits of any of them anywhere'], 'test/systemd/launcher.test.ts': ['have their secrets, which are nowhere else'], 'src/host/vault.test.ts': ['is refused with any bit of it changed, or any part missing'] },
  },
  {
    threat: 'A log that is a link to something else',
    stand: 'No link, hard link, pipe, device or swapped folder is read, searched, downloaded or cut; no path stands in the API',
    shown: { 'src/platform/log-file.test.ts': ['a log that is swapped all the time while it is read, followed and searched never shows what a link points at'], 'src/runner/log-cutter.test.ts': ['holds for other logs while one is swapped all the time, and harms nothing that links point at'], 'src/host/logs.test.ts': ['is refused where a task has put a link, a pipe or a device in its place, by every way to read it'] },
    gap: 'In a shared directory that tasks may write to, systemd opens logs by their names: the runner warns of it',
  },
  {
    threat: 'Output and names that attack their reader',
    stand: 'Text only; the page under a strict policy with Trusted Types; a terminal gets colours and nothing else',
    shown: { 'test/web/hostile.test.ts': ['shows them as texts in every list', 'shows an output as text, whatever it says to a terminal'], 'src/platform/ansi.test.ts': ['is characters, line ends, tabs and colours, and nothing else'], 'test/cluster/terminal.test.ts': ['a terminal keeps its title and its clipboard (tmux)'] },
  },
  {
    threat: "Another site, or another name, that uses a browser's login",
    stand: 'Names of the host are checked at every request and upgrade; writes come from its own page only; no CORS',
    shown: { 'src/host/forgeries.test.ts': ['answers 421 to a name that is not the host’s own, whatever else is shown (DNS rebinding)', 'refuses to change something for a page of another origin, and lets no other page read an answer', 'is refused to every page, and to every other name'], 'test/web/rebinding.test.ts': ['reads nothing, changes nothing and opens nothing'], 'test/web/hostile.test.ts': ['is nothing to a page of another origin'] },
  },
  {
    threat: 'Tokens that are guessed, found or stolen',
    stand: '192 random bits, kept as hashes, with an end; wrong tries are slowed down, right ones never; a revoked one ends what is open by it',
    shown: { 'src/host/revocation.test.ts': ['ends within a second where %s, and nothing else does', 'ends when the token does, by a timer', 'is also a backup on its way: the rest of it does not come'], 'test/cluster/people.test.ts': ['ends what goes on by a token within a second of its end'], 'src/host/pki/join.test.ts': ['cannot be guessed for long'] },
  },
  {
    threat: 'One caller who takes all there is',
    stand: '[Bounds](limits.md) on all that a caller can make large, told as 413 and 429; who does not read is cut off',
    shown: { 'src/host/caps.test.ts': ['of an address that are too many at once are told when to come again, and others are answered', 'of a caller and of an address are bounded, and make room when they end', 'is cut off, and one that reads slowly is not', 'that say too much are read in measure, and nothing of it is lost'], 'test/faults/caps.test.ts': ['of requests whose headers never end', 'of streams that nobody reads, while forty thousand events come'] },
    gap: 'Ten times a bound is reached on small bounds and for bodies; with the usual ones, streams and connections go to 1.2 to 3 times. Behind a proxy all callers are one address',
  },
  {
    threat: 'Fields that are read as SQL or as code',
    stand: 'Schemas at the edge, parameters in every query, ids as texts',
    shown: { 'test/fuzz/http.ts': ['every route of the contract'], 'test/fuzz/parsers.ts': ['parsers'], 'src/host/caps.test.ts': ['nested too deep are refused, and never harm the stack, by all routes'] },
  },
  {
    threat: 'A task that attacks its node',
    stand: 'Control groups with a bound of processes, no new privileges, no capabilities, a /tmp of its own, our directories out of reach',
    shown: { 'test/systemd/confined.test.ts': ['ends a fork bomb at the bound of processes, and its node stays usable', 'cannot become more by a program that is setuid root'], 'test/systemd/launcher.test.ts': ['reach nothing of what is around them', 'see nothing of those of another local user'] },
    gap: 'Plain processes (where there is no systemd) have none of it',
  },
  {
    threat: 'Somebody who says that it was not him',
    stand: 'One row for each call that changes something, done or refused, in a chain of hashes, on disk before the answer',
    shown: { 'src/host/audit.test.ts': ['writes exactly one row for a call, whatever becomes of it', 'is audited, or says that it changes nothing: a new one without a word does not start', 'lets nobody change or remove a row, and one that was changed all the same is found'], 'src/core/audit.test.ts': ['is broken where rows are missing, doubled, put in or swapped'], 'src/host/pki/joins-audit.test.ts': ['tells who invited machines, and who joined by which name, without secret and key'], 'test/cluster/audit.test.ts': ['has each call that was answered when its host is killed, and is whole, again and again'] },
    gap: 'Who can write the database file can write the whole chain anew: keep its head elsewhere',
  },
  {
    threat: 'A disk or a backup in other hands',
    stand: 'Files of mode 0600; secrets under a key that is in no backup; a restore revives no login, token or right',
    shown: { 'src/host/pki/join.test.ts': ['keeps its keys to itself, and makes no join token that opens the link'], 'src/host/vault.test.ts': ['is made once, for its owner alone'], 'src/host/store/store.test.ts': ['are after a restore no stronger than they were before it', 'is durable and private'] },
  },
  {
    threat: 'Our own services, once they are taken over',
    stand: 'Units that may do little: at most 2.0 (host) and 2.5 (runner) by the measure of systemd-analyze(1), and the tests of a whole machine run under them',
    shown: { 'src/cli/system-units.test.ts': ['the units are as closed as they say'], 'test/systemd/launcher.test.ts': ['the units are as closed as they say, and systemd finds no fault with them'] },
  },
  {
    threat: 'A dependency that turns bad',
    stand: 'Few of them, locked, installed without scripts, audited; a bill of materials; builds that are the same twice (`npm run test:build`)',
    shown: { 'scripts/lock-file.test.ts': ['of what is wrong is told'], 'scripts/audit-report.test.ts': ['is red where it is %s, and tells by what', 'is unknown where nobody answers, and says so in one line'] },
    gap: 'Releases are not signed: there are none yet',
  },
  {
    threat: 'A machine that is out of date, or open by mistake',
    stand: '`hakuriver doctor` names open files and addresses, a certificate that the host does not accept, a wrong clock, other versions',
    shown: { 'src/cli/doctor/doctor.test.ts': ['tells a clock that is wrong, and a host that has another version'], 'src/cli/doctor/own-host.test.ts': ['is all well'] },
  },
] // biome-ignore format: a table

/** The page. @throws Error for a name that no test has any more */
export function describeThreats(): string {
  const lines = threats.map(({ threat, stand, shown, gap }, at) => {
    const tests = Object.entries(shown).flatMap(([file, names]) => {
      const text = readFileSync(file, 'utf8')
      return names.map((name) => {
        if (!["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`)))
          throw new Error(`threat ${at + 1}: ${file} has no test "${name}" any more`)
        return `${name.replaceAll('|', '\\|')} ([${file.split('/').slice(1).join('/')}](../${file}))`
      })
    })
    return `| ${at + 1} | ${threat} | ${stand} | ${[...tests, ...(gap === undefined ? [] : [`_${gap}_`])].join('<br>')} |`
  })
  return `# Threats

What could do harm, what stands against it, and the tests that show it. This page is made by \`npm run docs\`, which looks every test up by its name. What does not hold is said in [SECURITY.md](../SECURITY.md), and in italics here.

| | threat | what stands against it | shown by |
| --- | --- | --- | --- |
${lines.join('\n')}
`
}
