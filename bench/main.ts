/** `npm run bench`: the figures of the design, each beside its budget. Name sections to run only those. */
import { LocalCluster } from '../test/support/cluster.ts'
import { measureCli } from './cli.ts'
import { measureFake } from './fake.ts'
import { measureLogs } from './logs.ts'
import { measureMemory, tellMemoryAfter } from './memory.ts'
import { printTable } from './report.ts'
import { measureStore } from './store.ts'
import { measureSubmits } from './submits.ts'
import { measureSystemd } from './systemd.ts'
import { measureWeb } from './web.ts'

const sections: Record<string, () => Promise<void>> = {
  idle: async () => {
    const cluster = await LocalCluster.start({ heartbeatSeconds: 5 })
    await measureMemory(cluster)
    measureCli(cluster)
    await cluster.close()
  },
  systemd: measureSystemd,
  submits: async () => {
    const cluster = await LocalCluster.start({ nodes: [], hostArgs: ['--log-level', 'warn'] })
    await measureSubmits(cluster.api)
    tellMemoryAfter(cluster, '68,500 waiting tasks')
    await cluster.close()
  },
  fake: measureFake,
  store: measureStore,
  logs: measureLogs,
  web: measureWeb,
}

const asked = process.argv.slice(2)
const unknown = asked.find((name) => !(name in sections))
if (unknown !== undefined) {
  process.stderr.write(`there is no section "${unknown}": write ${Object.keys(sections).join(', ')}\n`)
  process.exit(2)
}
for (const [name, measure] of Object.entries(sections)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  process.stderr.write(`${name} …\n`)
  await measure()
}
process.exitCode = printTable() ? 0 : 1
