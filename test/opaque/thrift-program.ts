/** Run by tests in a namespace: `server FORM PORT` or `client FORM HOST PORT BYTES`, on Apache Thrift's library. */
import { type Form, startThriftServer, thriftSession } from './thrift-peers.ts'

const [role, form, ...args] = process.argv.slice(2)
if (role === 'server') {
  await startThriftServer(form as Form, Number(args[0]), '::')
  console.log('listening')
} else {
  for (const line of await thriftSession(form as Form, args[0]!, Number(args[1]), Number(args[2]))) console.log(line)
}
