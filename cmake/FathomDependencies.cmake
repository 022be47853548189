# Debian's libraries, and the compile options that every target of the project gets.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
if(FATHOM_TESTS)
  find_package(GTest REQUIRED)
endif()
if(FATHOM_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()

add_library(fathom_options INTERFACE)
target_include_directories(fathom_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
# Designated initializers leave the rest to defaults on purpose; g++ 12 would warn of each.
target_compile_options(fathom_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers>
  # g++ 12 sees overlaps in std::string's own operator+ (GCC bug 105651).
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>
  # nvcc writes line directives that -Wpedantic rejects.
  $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror
    -Xcompiler=-Wno-missing-field-initializers>)
target_compile_definitions(fathom_options INTERFACE FATHOM_VERSION="${PROJECT_VERSION}")
if(FATHOM_SANITIZE)
  target_compile_options(fathom_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${FATHOM_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all>)
  target_link_options(fathom_options INTERFACE -fsanitize=${FATHOM_SANITIZE})
endif()
if(FATHOM_FUZZ)
  target_compile_options(fathom_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
