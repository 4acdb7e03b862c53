return [==[
# bash completion for kmirror: source <(kmirror completion bash)

_kmirror() {
    local word line files=: i
    local -a words=()
    # bash takes an = for a word of its own; here it separates an option from its value.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == "=" && ${COMP_WORDS[i - 1]} == --* ]]; then
            ((i == COMP_CWORD)) && words+=("")
            continue
        fi
        words+=("$word")
    done
    local current=${words[-1]}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) files=$line ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]/#\~/$HOME}" completion words "${words[@]}" 2> /dev/null)
    if [[ $files == :files ]]; then
        compopt -o filenames 2> /dev/null
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$current")
    fi
}

complete -F _kmirror kmirror
]==]
