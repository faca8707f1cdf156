import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '../../src/core/log.ts'
import type { IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import { SharedFileStore } from '../../src/stores/file/shared-file-store.ts'
import { openStore } from '../../src/stores/open.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'

const PROGRAM = fileURLToPath(new URL('working-process.js', import.meta.url))
const MIB = 2 ** 20

const newFolder = (): string => join(tempFolder(), 'store')

async function open(t: TestContext, folder: string, sync = false): Promise<SharedFileStore> {
  const store = await SharedFileStore.open({ folder, sync, maxBytes: 64 * MIB })
  t.after(() => store.close())
  return store
}

/** Another process that works with the store until it is killed. */
async function worker(t: TestContext, folder: string): Promise<{ process: ChildProcess; kill(): Promise<void> }> {
  const log = `${folder}.log`
  writeFileSync(log, '')
  const process = fork(PROGRAM, [`file:${folder}`, log, '100'])
  const exited = once(process, 'exit')
  const kill = async (): Promise<void> => {
    process.kill('SIGKILL')
    await exited
  }
  t.after(kill)
  await once(process, 'message')
  return { process, kill }
}

test('the one that writes is killed: calls under way and later ones are answered by who takes over', async (t) => {
  const folder = newFolder()
  const other = await worker(t, folder)
  const store = await open(t, folder)
  assert.equal(store.isOwner, false)
  const kept = await claimed(store, claimRequest(newId()))
  assert.equal(await store.dispatch(kept, '', 60_000), true)
  assert.equal(await store.complete(kept, 'fp', response()), true)
  // Stopped, so that what is asked now is not answered before it is dead.
  other.process.kill('SIGSTOP')
  const request = claimRequest(newId())
  const asked = store.claim(request)
  const changed = store.changed(request.id, 60_000)
  await other.kill()
  const { kind } = await asked
  assert.equal(kind, 'claimed')
  assert.equal(store.isOwner, true)
  assert.equal((await store.read(kept.id))?.state, 'completed')
  const repeated = await claimed(store, request)
  await store.release(repeated)
  await changed
})

test('a claim, a dispatch and an outcome that are asked for twice happen once', async (t) => {
  const folder = newFolder()
  const [, guest] = [await open(t, folder), await open(t, folder)]
  const request = claimRequest(newId())
  await claimed(guest, request)
  const claim = await claimed(guest, request)
  for (let time = 0; time < 2; time++) assert.equal(await guest.dispatch(claim, '', 60_000), true)
  assert.equal((await guest.claim(request)).kind, 'exists', 'dispatched: not to be claimed, not even by its owner')
  for (let time = 0; time < 2; time++) assert.equal(await guest.complete(claim, 'fp', response()), true)
})

test('the one that writes is closed: another goes on, and what waits for a change of its own is told', async (t) => {
  const folder = newFolder()
  const owner = await open(t, folder)
  const guests = [await open(t, folder), await open(t, folder)]
  assert.deepEqual(
    [owner, ...guests].map((store) => store.isOwner),
    [true, false, false],
  )
  const claim = await claimed(guests[0]!, claimRequest(newId()))
  const changed = guests[1]!.changed(claim.id, 60_000)
  await owner.close()
  assert.equal(await guests[0]!.dispatch(claim, '', 60_000), true)
  assert.equal(await guests[0]!.complete(claim, 'fp', response()), true)
  await changed
  assert.equal((await guests[1]!.read(claim.id))?.state, 'completed')
  assert.equal(guests.filter((store) => store.isOwner).length, 1)
})

test('who wants each write on the disk is not the guest of one that does not', async (t) => {
  const folder = newFolder()
  const owner = await open(t, folder)
  await assert.rejects(open(t, folder, true), (error: Error) => {
    return error.message === `${folder}: the process that has it was told sync=false`
  })
  assert.equal((await owner.claim(claimRequest(newId()))).kind, 'claimed')
})

test('bytes that are no call end their connection and nothing else; the socket is for this user only', async (t) => {
  const folder = newFolder()
  const owner = await open(t, folder)
  const guest = await open(t, folder)
  assert.equal(statSync(folder).mode & 0o77, 0)
  assert.equal(statSync(join(folder, 'owner')).mode & 0o77, 0)
  const hello = await firstFrame(join(folder, 'owner', 'socket'))
  const attacks = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(4, 0xff),
    frame(Buffer.from('{}')),
    Buffer.concat([hello, frame(Buffer.from('not a call'))]),
    Buffer.concat([hello, frame(Buffer.alloc(0))]),
  ]
  for (const bytes of attacks) {
    const socket = connect(join(folder, 'owner', 'socket'))
    socket.on('error', () => {})
    socket.resume()
    socket.write(bytes)
    await once(socket, 'close')
  }
  for (const store of [owner, guest]) assert.equal((await store.claim(claimRequest(newId()))).kind, 'claimed')
})

function frame(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(body.length)
  return Buffer.concat([length, body])
}

async function firstFrame(path: string): Promise<Buffer> {
  const socket = connect(path)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return bytes
}

test('a folder with a path longer than a socket may have is shared as well', async (t) => {
  const folder = join(newFolder(), 'long'.repeat(30), 'longer'.repeat(20))
  const [owner, guest] = [await open(t, folder), await open(t, folder)]
  const claim = await claimed(guest, claimRequest(newId()))
  assert.equal((await owner.read(claim.id))?.state, 'claimed')
})

test('a body of a mebibyte passes between processes as it is', async (t) => {
  const folder = newFolder()
  const [owner, guest] = [await open(t, folder), await open(t, folder)]
  const body = Buffer.from(Array.from({ length: MIB }, (_, i) => i % 251))
  const claim = await claimed(guest, claimRequest(newId()))
  await guest.dispatch(claim, '', 60_000)
  assert.equal(await guest.complete(claim, 'fp', response({ body, bodyBytes: body.length })), true)
  for (const store of [owner, guest]) assert.ok((await store.read(claim.id))!.response!.body!.equals(body))
})

test('a file that could not be opened at first is opened later: the failed try does not hold the folder', async (t) => {
  const folder = newFolder()
  mkdirSync(join(folder, 'data.mdb'), { recursive: true })
  const store = await openStore(`file:${folder}`, {
    log: silentLogger,
    breaker: { firstProbeMs: 20, lastProbeMs: 100 },
  })
  t.after(() => store.close())
  await assert.rejects(async () => store.claim(claimRequest(newId())))
  rmSync(join(folder, 'data.mdb'), { recursive: true })
  await claims(store)
  assert.ok(readFileSync(join(folder, 'data.mdb')).length > 0)
})

test('an owner that cannot be spoken to is none: it lets the file go with the folder', async (t) => {
  const folder = newFolder()
  mkdirSync(join(folder, 'owner', 'socket'), { recursive: true })
  await assert.rejects(open(t, folder))
  assert.deepEqual(
    openFiles().filter((path) => path.startsWith(folder)),
    [],
  )
  rmSync(join(folder, 'owner', 'socket'), { recursive: true })
  const [owner, guest] = [await open(t, folder), await open(t, folder)]
  assert.deepEqual([owner.isOwner, guest.isOwner], [true, false])
})

/** Paths of this process's descriptors. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // the one of the listing itself
    }
  })
}

/** Waits until a claim is taken. */
async function claims(store: IdempotencyStore): Promise<void> {
  const until = performance.now() + 15_000
  for (;;) {
    const taken = await Promise.resolve()
      .then(() => store.claim(claimRequest(newId())))
      .then(
        ({ kind }) => kind === 'claimed',
        () => false,
      )
    if (taken) return
    assert.ok(performance.now() < until, 'it never came')
    await sleep(50)
  }
}
