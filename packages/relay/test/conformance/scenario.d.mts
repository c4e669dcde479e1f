export interface Scenario {
  readonly name: string
  readonly ops: readonly object[]
  readonly kernel_bug?: string
}
export function scenarioFiles(folder: string): string[]
export function readScenario(file: string): Scenario
export function reasonToSkip(scenario: Scenario): string | undefined
export function runScenario(scenario: Scenario): string[]
