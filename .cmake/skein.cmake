# The three ways a folder declares a target.

# With SKEIN_PRECOMPILE the common headers are compiled once for libraries and once, with GoogleTest, for tests.
if(SKEIN_PRECOMPILE)
  file(WRITE "${PROJECT_BINARY_DIR}/precompiled.cc" "")
  foreach(kind library test)
    add_library(skein_pch_${kind} STATIC "${PROJECT_BINARY_DIR}/precompiled.cc")
    target_link_libraries(skein_pch_${kind} PRIVATE skein_flags absl::flat_hash_map absl::statusor absl::strings
      absl::str_format)
    target_precompile_headers(skein_pch_${kind} PRIVATE "${PROJECT_SOURCE_DIR}/.cmake/precompiled.h")
  endforeach()
  if(SKEIN_TESTS)
    target_link_libraries(skein_pch_test PRIVATE GTest::gmock)
    target_precompile_headers(skein_pch_test PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

function(skein_precompile target kind)
  if(SKEIN_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM skein_pch_${kind})
  endif()
endfunction()

# skein_library(name [SOURCES a.cc ...] [DEPS lib ...] [PUBLIC_DEPS lib ...])
#
# Static library `skein_<name>`, alias `skein::<name>`. The include root is the repository's root. DEPS are used by the .cc files
# only, PUBLIC_DEPS are seen in the headers too. Without SOURCES it is a header-only target.
function(skein_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PUBLIC_DEPS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "skein_library(${name}): unexpected '${ARG_UNPARSED_ARGUMENTS}'")
  endif()
  set(target skein_${name})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    target_link_libraries(${target} PUBLIC ${ARG_PUBLIC_DEPS} PRIVATE skein_flags ${ARG_DEPS})
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
    skein_precompile(${target} library)
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${ARG_PUBLIC_DEPS} ${ARG_DEPS})
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}")
  endif()
  add_library(skein::${name} ALIAS ${target})
endfunction()

# skein_test(name SOURCES a_test.cc ... [DEPS lib ...])
#
# GoogleTest executable; every TEST in it is a ctest case with the label `unit`.
function(skein_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "skein_test(${name}): unexpected '${ARG_UNPARSED_ARGUMENTS}'")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE skein_flags ${ARG_DEPS} GTest::gmock_main)
  skein_precompile(${name} test)
  gtest_discover_tests(${name}
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# skein_fuzzer(name SOURCES a_fuzzer.cc ... [DEPS lib ...] [CORPUS folder ...])
#
# The sources define LLVMFuzzerTestOneInput. With SKEIN_FUZZ this is a libFuzzer executable. Otherwise it is a program that
# replays every file of the CORPUS folders (default: corpus/<name> beside the sources), registered as ctest case
# `fuzz-replay.<name>` with the label `fuzz`, so a kept corpus is a regression test with any compiler.
function(skein_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;CORPUS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "skein_fuzzer(${name}): unexpected '${ARG_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT ARG_CORPUS)
    set(ARG_CORPUS "corpus/${name}")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE skein_flags ${ARG_DEPS})
  list(TRANSFORM ARG_CORPUS PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  if(SKEIN_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
    # For tests/run.sh --fuzz: a line a target, its name and its corpora.
    list(JOIN ARG_CORPUS " " corpora)
    file(APPEND "${PROJECT_BINARY_DIR}/fuzzers.txt" "${name} ${corpora}\n")
    return()
  endif()
  target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc")
  add_test(NAME fuzz-replay.${name} COMMAND ${name} ${ARG_CORPUS})
  set_tests_properties(fuzz-replay.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()

# Adds each named sub folder that has a CMakeLists.txt.
function(skein_subdirectories)
  foreach(folder IN LISTS ARGN)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()
