# kafka_flags: the warnings and sanitizers that every target of ours is compiled with.
add_library(kafka_flags INTERFACE)
target_compile_definitions(kafka_flags INTERFACE _GNU_SOURCE)
target_compile_options(kafka_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
  $<$<BOOL:${KAFKA_WERROR}>:-Werror>)
if(KAFKA_SANITIZE)
  target_compile_options(kafka_flags INTERFACE -fsanitize=${KAFKA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(kafka_flags INTERFACE -fsanitize=${KAFKA_SANITIZE})
endif()
if(KAFKA_COVERAGE)
  target_compile_options(kafka_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(kafka_flags INTERFACE --coverage)
endif()

# kafka_layer(name sources...): one folder of src/ as an object library kfk_<name>.
function(kafka_layer name)
  add_library(kfk_${name} OBJECT ${ARGN})
  target_include_directories(kfk_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(kfk_${name} PRIVATE kafka_flags Threads::Threads)
endfunction()

# kafka_test(name LABELS l... SOURCES s... LIBS x...): one test program, linked with the library's inside.
function(kafka_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "LABELS;SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE kafka_flags kafka_test_support kafka_static ${T_LIBS})
  add_test(NAME ${name} COMMAND ${name})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}")
endfunction()
