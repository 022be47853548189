// Plain loops.
#include "kernels/element.h"
#include "kernels/embedding/embedding.h"

namespace fathom::kernels {

void embedding_reference(const EmbeddingArgs& args) {
  const std::int64_t hidden = args.table.shape[1];
  for (std::int64_t token = 0; token < args.ids.shape[0]; ++token) {
    const std::int64_t id = args.ids.as<std::int32_t>()[token];
    const bool is_known = id >= 0 && id < args.table.shape[0];
    for (std::int64_t i = 0; i < hidden; ++i) {
      set(args.y, token * hidden + i, is_known ? get(args.table, id * hidden + i) : 0.0F);
    }
  }
}

}  // namespace fathom::kernels
