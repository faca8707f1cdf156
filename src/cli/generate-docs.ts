/** Writes the generated pages: `npm run docs` in the root of the repository. */
import { readFileSync, writeFileSync } from 'node:fs'
import { chartReadme, chartSchema, formattedJson } from './chart.ts'
import { configurationPage, diagnosesPage, errorsPage } from './reference.ts'

writeFileSync('docs/configuration.md', configurationPage())
writeFileSync('docs/errors.md', errorsPage())
writeFileSync('docs/diagnoses.md', diagnosesPage())

const values = readFileSync('charts/hopscope/values.yaml', 'utf8')
writeFileSync('charts/hopscope/values.schema.json', `${formattedJson(chartSchema(values))}\n`)
writeFileSync('charts/hopscope/README.md', chartReadme(values))
