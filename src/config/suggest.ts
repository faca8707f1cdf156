/** "Did you mean …?" */

/** Candidates near to what was typed, best first, at most three. */
export function nearest(typed: string, candidates: readonly string[]): string[] {
  const wanted = plain(typed)
  const bound = Math.max(2, Math.floor(wanted.length / 3))
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(wanted, plain(candidate), bound) }))
    .filter(({ distance }) => distance <= bound)
    .sort((a, b) => a.distance - b.distance)
  // Much worse ones beside a good one only distract.
  const worst = (near[0]?.distance ?? 0) + 1
  return near
    .filter(({ distance }) => distance <= worst)
    .slice(0, 3)
    .map(({ candidate }) => candidate)
}

/** `did you mean a or b?`, '' where nothing is near. */
export function didYouMean(typed: string, candidates: readonly string[]): string {
  const near = nearest(typed, candidates)
  return near.length === 0 ? '' : `did you mean ${near.join(' or ')}?`
}

// Case and separators are what people get wrong first, and say nothing about the name.
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

/** Levenshtein distance, or a number over `bound` as soon as that is certain. */
function editDistance(a: string, b: string, bound: number): number {
  if (Math.abs(a.length - b.length) > bound) return bound + 1
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1))
    }
    previous = row
  }
  return previous[b.length]!
}
