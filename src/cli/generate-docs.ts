/** Writes the generated pages: `node dist/cli/generate-docs.js` in the root of the repository. */
import { writeFileSync } from 'node:fs'
import { configurationPage, diagnosesPage, errorsPage } from './reference.ts'

writeFileSync('docs/configuration.md', configurationPage())
writeFileSync('docs/errors.md', errorsPage())
writeFileSync('docs/diagnoses.md', diagnosesPage())
