# Compiler, warnings and sanitizers: the same for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
# Release keeps line tables, so that a stack trace from the field can be read.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")

# ccache, found whatever folder the tree is in: a second clone compiles nothing again. Not with a precompiled header,
# whose dependency file it would not find.
find_program(SKEIN_CCACHE ccache)
if(SKEIN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  if(SKEIN_PRECOMPILE)
    set(SKEIN_CCACHE_SETTINGS CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime)
  else()
    set(SKEIN_CCACHE_SETTINGS "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1)
  endif()
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env ${SKEIN_CCACHE_SETTINGS} "${SKEIN_CCACHE}")
endif()

add_library(skein_flags INTERFACE)
target_include_directories(skein_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(skein_flags INTERFACE -Wall -Wextra -Wshadow -Wno-unused-parameter
  -Wno-missing-field-initializers)
if(SKEIN_WERROR)
  target_compile_options(skein_flags INTERFACE -Werror)
endif()
if(NOT SKEIN_OBSERVED)
  target_compile_definitions(skein_flags INTERFACE SKEIN_UNOBSERVED)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(skein_flags INTERFACE -Wthread-safety)
endif()

if(SKEIN_PRECOMPILE)
  add_compile_options(-pthread) # some libraries bring it; a precompiled header serves all or none
  # What ccache needs to see through a precompiled header.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  else()
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()

# Sanitizers go on everything that is compiled here, tests included.
if(SKEIN_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1 -DNDEBUG") # compiles faster, and reports read better
  add_compile_options(-fsanitize=${SKEIN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SKEIN_SANITIZE})
  if(SKEIN_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized) # g++ 12 sees it in its own <regex> when it instruments
  endif()
endif()

if(SKEIN_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SKEIN_FUZZ needs clang (libFuzzer): use the preset 'fuzz'")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
