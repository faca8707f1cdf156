/** `hopscope recording`: what a file of the flight recorder has, for people or as JSON lines. */
import { shownJson } from '../core/hidden-characters.ts'
import { isExchange, lineOf, recordedIn, withId } from './recording-source.ts'

export interface RecordingOptions {
  readonly id: string | undefined
  readonly failed: boolean
  readonly json: boolean
  readonly limit: number
}

/** Newest first. Throws where the file is none of ours. */
export function recordingText(file: string, options: RecordingOptions): string {
  const all = recordedIn(file)
  const named = options.id === undefined ? all : withId(all, options.id)
  const wanted = options.failed
    ? named.filter((view) => isExchange(view) && (view.error !== undefined || view.status >= 500))
    : named
  const lines = wanted
    .slice(0, options.limit)
    .map((view) => (options.json ? shownJson(JSON.stringify(view)) : lineOf(view)))
  return lines.length === 0 ? 'nothing of that is recorded here' : lines.join('\n')
}
