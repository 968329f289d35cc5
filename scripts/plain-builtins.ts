import type { Plugin } from 'rolldown'

/**
 * Makes what `import` gives of a built-in module in one step. The bundler's own way copies the module name by name, some hundreds of them at
 * the start of every program; here the module stands behind the object as its prototype. CommonJS only.
 */
export function plainBuiltins(): Plugin {
  return {
    name: 'plain-builtins',
    renderChunk(code) {
      const plain = code.replaceAll(
        /^(node_\w+) = require_rolldown_runtime\.__toESM\(\1, 1\);$/gm,
        '$1 = { __proto__: $1, default: $1 };',
      )
      if (plain.split('require_rolldown_runtime').length > 2) return plain
      return plain.replace(/^const require_rolldown_runtime = require\(".*"\);\n/m, '')
    },
  }
}
