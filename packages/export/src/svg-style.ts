/** Colours and styles of a picture, light and dark. */

const BLACK = '#000000'
/**
 * Colours of the spans that took most time. They are by Okabe and Ito, and colour-blind people can
 * tell them apart.
 */
export const PALETTE: readonly string[] = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9']
/** The text on them. */
export const INKS: readonly string[] = ['#ffffff', BLACK, BLACK, BLACK, BLACK, BLACK]
/** Of all other spans. */
export const OTHER = '#8a94a0'

const COLORS = {
  paper: ['#ffffff', '#0d1117'],
  edge: ['#d0d7de', '#30363d'],
  ink: ['#1f2328', '#e6edf3'],
  faint: ['#59636e', '#9198a1'],
  rule: ['#eaeef2', '#21262d'],
  lane: ['#e3e8ed', '#2b323b'],
  chart: ['#9a6dd7', '#a582e0'],
  loss: ['#cf222e', '#f85149'],
  arrow: ['#24292f', '#f0f6fc'],
} as const

export const STYLE = `<style>
${rules(0)}
.b{font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}.label{font-size:10.5px;paint-order:stroke;stroke-width:2}
.came,.halo,.arrow,.cross,.slices,.rule,.cut{fill:none}
.came{stroke-width:2}.cross{stroke-width:1.6}.cut{stroke-width:1.4}
.halo{stroke-width:3;stroke-opacity:.55}.arrow{stroke-width:1}.chart{fill-opacity:.5}.loss{fill-opacity:.55}
@media (prefers-color-scheme:dark){
${rules(1)}
}
</style>
<defs><marker id="head" viewBox="0 0 6 6" refX="5.5" refY="3" markerWidth="6" markerHeight="6" orient="auto">\
<path class="head" d="M0 .4L6 3L0 5.6z"/></marker></defs>`

/** Returns the colours as CSS. @param scheme 0 is light, 1 dark. */
function rules(scheme: 0 | 1): string {
  const { paper, edge, ink, faint, rule, lane, chart, loss, arrow } = COLORS
  return (
    `.paper{fill:${paper[scheme]};stroke:${edge[scheme]}}text{fill:${ink[scheme]}}` +
    `.faint{fill:${faint[scheme]}}.rule{stroke:${rule[scheme]}}` +
    `.lane{fill:${lane[scheme]}}.chart{fill:${chart[scheme]}}.loss{fill:${loss[scheme]}}` +
    `.arrow,.came,.cross,.cut{stroke:${arrow[scheme]}}.head{fill:${arrow[scheme]}}.halo{stroke:${paper[scheme]}}`
  )
}
