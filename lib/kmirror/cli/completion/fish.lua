return [==[
# fish completion for kmirror: kmirror completion fish | source

function __kmirror_complete
    set --local words (commandline --tokenize --cut-at-cursor --current-process)
    set --local current (commandline --current-token --cut-at-cursor)
    set --local lines ($words[1] completion words $words[2..] "$current" 2> /dev/null)
    for line in $lines
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':'
            case '*'
                printf '%s\n' $line
        end
    end
end

complete --command kmirror --no-files --keep-order --arguments '(__kmirror_complete)'
]==]
