/** The API's description (OpenAPI 3.1), made from the contract when somebody asks for it. */

import { version } from '../platform/version.ts'
import { hostApi } from '../protocol/host-api.ts'
import { streamRoutes } from '../protocol/routes.ts'
import { ErrorBody } from '../protocol/schemas.ts'
import type { StreamRoute } from './http.ts'

let made: Promise<string> | null = null

export const openapiRoute: StreamRoute = {
  path: streamRoutes.openapi.path,
  access: 'public',
  handle: async (_, reply) => {
    made ??= describe()
    reply.header('content-type', 'application/json; charset=utf-8')
    return made
  },
}

async function describe(): Promise<string> {
  const [{ fastify }, { fastifySwagger }] = await Promise.all([import('fastify'), import('@fastify/swagger')])
  const app = fastify()
  // nothing is served by this one: schemas are only collected
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'HakuRiver',
        version,
        description: 'Submit commands to the machines of a cluster and follow them.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  })
  for (const [name, endpoint] of Object.entries(hostApi)) {
    app.route({
      method: endpoint.method,
      url: endpoint.path,
      schema: {
        operationId: name,
        summary: endpoint.summary,
        ...(endpoint.access === 'public' ? {} : { security: [{ token: [] }] }),
        ...('params' in endpoint ? { params: endpoint.params } : {}),
        ...('query' in endpoint ? { querystring: endpoint.query } : {}),
        ...('body' in endpoint ? { body: endpoint.body } : {}),
        response: { [endpoint.status]: endpoint.result, default: ErrorBody },
      },
      handler: async () => null,
    })
  }
  await app.ready()
  const text = JSON.stringify(app.swagger())
  await app.close()
  return text
}
