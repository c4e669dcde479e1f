// Allocates until V8 has collected garbage some times.
let kept = []
for (let round = 0; round < 200; round += 1) {
  kept = Array.from({ length: 5000 }, (_, index) => ({ round, index }))
}
if (kept.length !== 5000) throw new Error('unreachable')
