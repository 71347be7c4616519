# Writes a source file with the bytes of PAGE and CONTRACT: cmake -DOUTPUT= -DPAGE= -DCONTRACT= -P embed.cmake
function(embed name file)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  file(APPEND ${OUTPUT}.new "static const unsigned char k${name}Bytes[] = {\n${bytes}0};\n"
       "std::string_view ${name}() {\n  return {reinterpret_cast<const char*>(k${name}Bytes), sizeof k${name}Bytes - 1};\n}\n")
endfunction()

file(WRITE ${OUTPUT}.new "// Made by embed.cmake.\n#include \"api/embedded.h\"\n\nnamespace roost::api {\n")
embed(EmbeddedPage ${PAGE})
embed(EmbeddedContract ${CONTRACT})
file(APPEND ${OUTPUT}.new "}  // namespace roost::api\n")
file(RENAME ${OUTPUT}.new ${OUTPUT})
