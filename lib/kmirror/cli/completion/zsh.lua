return [==[
#compdef kmirror
# zsh completion for kmirror: source <(kmirror completion zsh)

_kmirror() {
    local line word meaning files=:
    local -a candidates
    while IFS= read -r line; do
        if [[ $line == :* ]]; then
            files=$line
            continue
        fi
        word=${line%%$'\t'*}
        meaning=
        [[ $line == *$'\t'* ]] && meaning=${line#*$'\t'}
        # _describe takes a colon for the end of the word.
        candidates+=("${word//:/\\:}${meaning:+:$meaning}")
    done < <(${(Q)words[1]} completion words "${(@Q)words[2,CURRENT]}" 2> /dev/null)
    local found=1
    (( $#candidates )) && _describe -V kmirror candidates && found=0
    [[ $files == :files ]] && _files && found=0
    return found
}

if [ "$funcstack[1]" = "_kmirror" ]; then
    _kmirror "$@"
elif (( $+functions[compdef] )); then
    compdef _kmirror kmirror
fi
]==]
