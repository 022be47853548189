# The CUDA back end: on where a toolkit is found, unless FATHOM_CUDA says otherwise.
#
# Sets FATHOM_HAS_CUDA. Files named *.cu and all in folders named cuda/ are built only with it,
# files named *_absent.cc only without it. The runtime library is linked in; the driver and cuBLASLt
# are found when a GPU is opened, so the program also starts where there are none.
set(FATHOM_CUDA "auto" CACHE STRING "the CUDA back end: auto, on or off")
set_property(CACHE FATHOM_CUDA PROPERTY STRINGS auto on off)

set(FATHOM_HAS_CUDA OFF)
if(NOT FATHOM_CUDA STREQUAL "off")
  # nvcc need not be on the PATH: its usual place is looked at, too.
  if(NOT DEFINED ENV{CUDACXX} AND NOT CMAKE_CUDA_COMPILER)
    find_program(FATHOM_NVCC nvcc HINTS /usr/local/cuda/bin)
    if(FATHOM_NVCC)
      set(CMAKE_CUDA_COMPILER ${FATHOM_NVCC})
    endif()
  endif()
  # Machine code for every architecture, and no PTX: nothing is compiled when the program starts.
  # The environment's CUDAARCHS or CMAKE_CUDA_ARCHITECTURES narrow it.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 87-real 89-real 90a-real)
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(FATHOM_HAS_CUDA ON)
  elseif(FATHOM_CUDA STREQUAL "on")
    message(FATAL_ERROR "FATHOM_CUDA is on, but no nvcc was found: set CUDACXX to its path")
  endif()
endif()

if(FATHOM_HAS_CUDA)
  find_package(CUDAToolkit REQUIRED)
  # CMake 3.25 does not know that nvcc has C++20.
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  if(CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
  endif()
  message(STATUS "CUDA ${CUDAToolkit_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
endif()

# Adds a layer's CUDA sources to its library, or what stands in for them.
function(fathom_add_cuda_sources layer)
  set(root ${CMAKE_SOURCE_DIR}/src/${layer})
  if(NOT FATHOM_HAS_CUDA)
    file(GLOB_RECURSE absent CONFIGURE_DEPENDS ${root}/*_absent.cc)
    target_sources(fathom_${layer} PRIVATE ${absent})
    return()
  endif()
  file(GLOB_RECURSE kernels CONFIGURE_DEPENDS ${root}/*.cu)
  file(GLOB host CONFIGURE_DEPENDS ${root}/cuda/*.cc)
  list(FILTER host EXCLUDE REGEX "_(test|bench)\\.cc$")
  if(kernels OR host)
    target_sources(fathom_${layer} PRIVATE ${kernels} ${host})
    target_include_directories(fathom_${layer} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
    target_link_libraries(fathom_${layer} PUBLIC CUDA::cudart_static)
  endif()
endfunction()
