/**
 * The modes of the stress test. One more is one more entry:
 *
 * - `name`, as in `--mode NAME`, and `about`, a line for `--help`;
 * - `round({ seed, random, log })`, which plays one round of some hundred milliseconds to some
 *   seconds on threads of its own, and leaves none of them. All that it chooses comes from
 *   `random`, a `Random`, or for its threads from `derive(seed, …)`, so that the same seed chooses
 *   the same. What it tells `log` is printed if the round fails: its choices. It returns the sums
 *   `{ attempted, delivered, overwritten, discarded, torn, traceless, kills }`, or throws an error
 *   that says which forbidden thing was seen.
 */
import { globalDiscard, globalOverwrite } from './global.mjs'
import { relay } from './relay.mjs'
import { discard, overwrite } from './rings.mjs'

export const MODES = [discard, overwrite, relay, globalDiscard, globalOverwrite]
