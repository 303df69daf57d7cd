/** The contract as a typed client. The transport is handed in: node:http in the CLI, fetch in a browser. */
import type { EndpointName, Input, Output } from './host-api.ts'
import { routes } from './routes.ts'

/** Carries one call; answers with the parsed JSON body or throws an `AppError` made from the error body. */
export type Transport = (request: { method: string; path: string; body: unknown }) => Promise<unknown>

/** The keys of an endpoint's input that it really has. */
type Given<N extends EndpointName> = {
  [K in keyof Input<N> as Input<N>[K] extends undefined ? never : K]: Input<N>[K]
}

export type HostClient = {
  [N in EndpointName]: (input: Given<N>) => Promise<Output<N>>
}

/** Makes the client of all endpoints over a transport. */
export function createClient(transport: Transport): HostClient {
  const names = Object.keys(routes) as EndpointName[]
  const entries = names.map((name) => [name, (input: AnyInput) => call(transport, name, input)])
  return Object.fromEntries(entries) as HostClient
}

interface AnyInput {
  params?: Record<string, string>
  query?: Record<string, string | number | boolean | string[] | undefined>
  body?: unknown
}

function call(transport: Transport, name: EndpointName, input: AnyInput): Promise<unknown> {
  const route = routes[name]
  return transport({ method: route.method, path: fillPath(route.path, input), body: input.body })
}

/** Puts parameters and query into a route's path, each percent-encoded. */
export function fillPath(path: string, input: Pick<AnyInput, 'params' | 'query'>): string {
  const filled = path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(input.params?.[key] ?? ''))
  const pairs = Object.entries(input.query ?? {}).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(
      (item) => `${encodeURIComponent(key)}=${encodeURIComponent(String(item))}`,
    ),
  )
  return pairs.length === 0 ? filled : `${filled}?${pairs.join('&')}`
}
