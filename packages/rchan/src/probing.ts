/** What `rchan/auto` loads to install the probes. It is no entry. */
export { choose, setUp } from '@rchan/probes/thread-setup'
