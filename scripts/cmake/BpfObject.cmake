# add_bpf_object(NAME source): compiles one BPF program and makes its skeleton.
#
# The result is the interface library NAME; its users include "skeleton/NAME.skel.h", which holds the object's bytes. The skeleton
# is bpftool's code: included as a system header, it is not ours to warn about.
find_program(FWCTL_CLANG NAMES clang-14 clang REQUIRED)
find_program(FWCTL_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(FWCTL_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)

function(add_bpf_object name source)
    set(directory ${CMAKE_BINARY_DIR}/bpf/skeleton)
    set(object ${directory}/${name}.o)
    set(skeleton ${directory}/${name}.skel.h)
    file(MAKE_DIRECTORY ${directory})
    add_custom_command(
        OUTPUT ${object}
        # The kernel's user headers (asm/types.h) are under the host's architecture; clang for BPF does not look there.
        COMMAND ${FWCTL_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-function
                -I${CMAKE_SOURCE_DIR}/include -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
                -MD -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
        COMMAND ${FWCTL_STRIP} -g ${object}
        DEPENDS ${source}
        DEPFILE ${object}.d
        COMMENT "BPF ${source}"
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND sh -c "${FWCTL_BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}.new && mv ${skeleton}.new ${skeleton}"
        DEPENDS ${object}
        COMMENT "skeleton ${name}"
        VERBATIM)
    add_custom_target(${name}_skeleton DEPENDS ${skeleton})
    add_library(${name} INTERFACE)
    add_dependencies(${name} ${name}_skeleton)
    target_include_directories(${name} SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/bpf)
    target_link_libraries(${name} INTERFACE fwctl_abi)
endfunction()
