/** Takes Alt-Svc (RFC 7838) out of responses: clients stay on TCP, where their calls are seen, and do not go to HTTP/3. */
import type { Stage } from '../exchange/stage.ts'

export function stripAltSvc(): Stage {
  return {
    name: 'alt-svc',
    role: 'observe',
    onResponseHead(_x, head) {
      head.headers.delete('alt-svc')
      return undefined
    },
  }
}
