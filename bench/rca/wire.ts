/**
 * A wire with a delay, between two bridges: `MS JITTER ADDRESS`. Frames come in on one tap device and leave on the other, in
 * order; those from or to ADDRESS late. Kernels without netem have no other way to make a network slow. Descriptors 3 and 4
 * are the two devices: opening one takes an ioctl: whoever starts it has done that (namespaces.ts).
 */
import { read, writeSync } from 'node:fs'

const LONGEST_FRAME = 65_536
const [SOURCE_AT, TARGET_AT] = [26, 30]
const IPV4 = 0x0800
/** Share of frames that jitter keeps back. */
const JITTERY = 0.3

function pass(from: number, to: number, delayOf: (frame: Buffer) => number): void {
  const buffer = Buffer.allocUnsafe(LONGEST_FRAME)
  let lastMs = 0
  const next = (): void =>
    read(from, buffer, 0, LONGEST_FRAME, null, (error, length) => {
      if (error !== null) process.exit(1)
      const frame = Buffer.from(buffer.subarray(0, length))
      const delayMs = delayOf(frame)
      // What is sent later arrives later, as on a wire; only what is delayed waits.
      if (delayMs === 0) put(to, frame)
      else {
        const atMs = Math.max(lastMs, performance.now() + delayMs)
        lastMs = atMs
        setTimeout(put, atMs - performance.now(), to, frame)
      }
      next()
    })
  next()
}

function put(to: number, frame: Buffer): void {
  try {
    writeSync(to, frame)
  } catch {
    // The device is down for a moment: a frame is lost, as frames are.
  }
}

const [delay = '0', jitter = '0', address = ''] = process.argv.slice(2)
const wanted = Buffer.from(address.split('.').map(Number))
const isOf = (frame: Buffer, at: number): boolean =>
  frame.length >= TARGET_AT + 4 && frame.readUInt16BE(12) === IPV4 && frame.subarray(at, at + 4).equals(wanted)

/** Half of it each way. */
function delayOf(frame: Buffer): number {
  if (!isOf(frame, SOURCE_AT) && !isOf(frame, TARGET_AT)) return 0
  const late = Math.random() < JITTERY ? Math.random() * Number(jitter) : 0
  return Number(delay) / 2 + late
}

pass(3, 4, delayOf)
pass(4, 3, delayOf)
console.log('listening')
