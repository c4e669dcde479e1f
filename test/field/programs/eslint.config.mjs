// Rules that come with ESLint, for what other people have written.
export default [
  {
    files: ['**/*.js'],
    languageOptions: { sourceType: 'commonjs' },
    rules: {
      'no-unused-vars': 'error',
      'no-shadow': 'error',
      'prefer-const': 'error',
      complexity: ['error', 20],
      'max-lines-per-function': ['error', 80],
      'consistent-return': 'error',
      'no-param-reassign': 'error',
    },
  },
]
