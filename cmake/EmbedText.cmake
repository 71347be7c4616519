# Writes a source file with a function NAMESPACE::NAME() that gives the bytes of INPUT:
# cmake -DOUTPUT= -DINPUT= -DHEADER= -DNAMESPACE= -DNAME= -P EmbedText.cmake
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT}.new "// Made by EmbedText.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n"
     "static const unsigned char k${NAME}Bytes[] = {\n${bytes}0};\n"
     "std::string_view ${NAME}() {\n  return {reinterpret_cast<const char*>(k${NAME}Bytes), sizeof k${NAME}Bytes - 1};\n}\n"
     "}  // namespace ${NAMESPACE}\n")
file(RENAME ${OUTPUT}.new ${OUTPUT})
