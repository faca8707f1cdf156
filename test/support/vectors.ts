/** The hostile cases that lie beside the repository, as data: `../shared/vectors`, its README says how to read them. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds package.json, from wherever the compiled test lies in it. */
function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

const path = (name: string): string => join(repositoryRoot(), '..', 'shared', 'vectors', name)

/** Why the tests of a file of vectors cannot run, or false where they can: to be given as `skip`. */
export function absent(name: string): string | false {
  return existsSync(path(name)) ? false : `${path(name)} is not there: these vectors are not part of the repository`
}

export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(path(name), 'utf8')) as T
}
