#!/bin/sh
# embed.sh FILE...: writes a C file that holds these files, for embedded.c.
# A file is known by the path given here; one from outside the tree (/usr/share/…) by its last part.
set -eu

quote='"'
number=0
table=
printf '#include "embedded.h"\n\n'
for file; do
    case $file in
    /*) name=${file##*/} ;;
    *) name=$file ;;
    esac
    size=$(wc -c < "$file")
    printf '__asm__(".section .rodata\\n.local embedded_%d\\n"\n' "$number"
    printf '        "embedded_%d: .incbin \\"%s\\"\\n.byte 0\\n.previous");\n' "$number" "$file"
    printf 'extern const char embedded_%d[] __attribute__((visibility("hidden")));\n' "$number"
    table="$table    {${quote}$name${quote}, embedded_$number, $size},
"
    number=$((number + 1))
done
printf '\nconst struct embedded_file embedded_files[] = {\n%s    {0, 0, 0},\n};\n' "$table"
