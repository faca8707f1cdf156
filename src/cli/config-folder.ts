/** Where files of the user are kept that outlive a run. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** By the XDG Base Directory specification; %APPDATA% on Windows. */
export function configFolder(env: NodeJS.ProcessEnv, platform = process.platform): string {
  if (platform === 'win32' && env.APPDATA !== undefined && env.APPDATA !== '') return join(env.APPDATA, 'hopscope')
  // The specification has relative paths ignored.
  const xdg = env.XDG_CONFIG_HOME
  return join(xdg?.startsWith('/') === true ? xdg : join(homedir(), '.config'), 'hopscope')
}
