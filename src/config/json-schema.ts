/** The configuration file as JSON schema, for editors and charts. */
import * as z from 'zod'
import { configSchema } from './schema.ts'

/** JSON schema (draft 2020-12) of `hopscope.yaml`. */
export function configJsonSchema(): object {
  return { title: 'hopscope.yaml', ...z.toJSONSchema(configSchema, { io: 'input' }) }
}
