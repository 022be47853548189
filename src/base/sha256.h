// SHA-256 of byte streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace fathom::base {

class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // Ends the stream; the object must not be used afterwards.
  Digest finish();

  static Digest of(std::span<const std::byte> bytes);
  // Lower-case hexadecimal.
  static std::string hex(const Digest& digest);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace fathom::base
