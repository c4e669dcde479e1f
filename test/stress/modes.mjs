/**
 * The modes of the stress test. To add a mode, add an entry:
 *
 * - `name`, as in `--mode NAME`, and `about`, a line for `--help`;
 * - `round({ seed, random, log })` plays one round of some hundred milliseconds to some seconds on
 *   its own threads, and leaves none of them behind. All its choices come from `random`, a
 *   `Random`, or for its threads from `derive(seed, …)`, so the same seed makes the same choices.
 *   It passes its choices to `log`, which prints them if the round fails. It returns the sums `{
 *   attempted, delivered, overwritten, discarded, torn, traceless, kills }`, or throws an error
 *   that names the forbidden outcome.
 */
import { globalDiscard, globalOverwrite } from './global.mjs'
import { relay } from './relay.mjs'
import { discard, overwrite } from './rings.mjs'

export const MODES = [discard, overwrite, relay, globalDiscard, globalOverwrite]
