# One folder under src/ is one module: one static library roost_<name> from its *.cc, one test
# binary <name>_test from its *_test.cc. Files named *_main.cc belong to programs and are left out.
# NO_PCH: for what includes torch, whose settings differ from the shared precompiled header's.
# TEST_LOCK: tests that share something of the machine and must not run beside each other.
# Globbing is deliberate: a test file that is not built would be a test that cannot fail.
include(GoogleTest)

function(roost_module name)
  cmake_parse_arguments(ARG "NO_PCH" "TEST_TIMEOUT;TEST_LOCK" "DEPS;PRIVATE_DEPS;EXCLUDE;FOLDERS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc)
  file(GLOB mains CONFIGURE_DEPENDS *_main.cc)
  foreach(folder ${ARG_FOLDERS}) # rooms of the module
    file(GLOB more CONFIGURE_DEPENDS ${folder}/*.cc)
    file(GLOB more_tests CONFIGURE_DEPENDS ${folder}/*_test.cc)
    list(APPEND sources ${more})
    list(APPEND tests ${more_tests})
  endforeach()
  if(tests)
    list(REMOVE_ITEM sources ${tests})
  endif()
  if(mains)
    list(REMOVE_ITEM sources ${mains})
  endif()
  foreach(file ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()

  if(sources)
    add_library(roost_${name} STATIC ${sources})
    target_include_directories(roost_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(roost_${name} PUBLIC ${ARG_DEPS} PRIVATE roost_options ${ARG_PRIVATE_DEPS})
    if(NOT ARG_NO_PCH)
      roost_use_pch(roost_${name} roost_pch)
    endif()
  else()
    add_library(roost_${name} INTERFACE)
    target_include_directories(roost_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(roost_${name} INTERFACE ${ARG_DEPS})
  endif()

  if(ROOST_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE roost_${name} roost_options ${ARG_PRIVATE_DEPS}
                                               GTest::gmock GTest::gtest_main)
    if(NOT ARG_NO_PCH)
      roost_use_pch(${name}_test roost_test_pch)
    endif()
    if(NOT ARG_TEST_TIMEOUT)
      set(ARG_TEST_TIMEOUT 600) # for a slow machine; quiet ones need seconds
    endif()
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST
                         PROPERTIES LABELS unit TIMEOUT ${ARG_TEST_TIMEOUT}
                                    RESOURCE_LOCK "${ARG_TEST_LOCK}")
  endif()
endfunction()

# A fuzzer's reading as an entry for libFuzzer, with Clang and -DROOST_SANITIZE=fuzzer-no-link,address,undefined.
function(roost_libfuzzer name source)
  if(ROOST_SANITIZE MATCHES "fuzzer-no-link")
    add_executable(${name} ${source})
    target_compile_definitions(${name} PRIVATE ROOST_LIBFUZZER)
    target_link_libraries(${name} PRIVATE roost_options ${ARGN})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
