/** The page's script and style sheet, as texts. The build writes the module. */
export declare const script: string
export declare const style: string
