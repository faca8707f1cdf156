/** The echo service of the programs here; messages are bytes. */
const identity = (bytes: Buffer): Buffer => bytes
const method = (name: string, responseStream: boolean) => ({
  path: `/hopscope.test.Echo/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
})

export const echoDefinition = {
  Unary: method('Unary', false),
  Split: method('Split', true),
  Fail: method('Fail', false),
}
