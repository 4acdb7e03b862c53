local completion = require("kmirror.cli.completion.words")
local refuse = require("kmirror.usage")

---@type kmirror.command
return {
    name = "completion",
    summary = "A script by which a shell completes kmirror's arguments.",
    details = [[
It completes commands, options, runbooks with their options, jobs, profiles and
clusters, without the network. For one session:
  bash   source <(kmirror completion bash)
  zsh    source <(kmirror completion zsh)
  fish   kmirror completion fish | source
For all: put that line into ~/.bashrc, ~/.zshrc (after compinit) or
~/.config/fish/config.fish. The Debian package and make install do without.]],
    sets = {},

    -- `words` is what the scripts ask with: the command line follows, whatever it is.
    define = function(parser, end_here)
        local shell = parser:argument("SHELL", "bash, zsh or fish."):argname("bash|zsh|fish"):target("shell")
        shell:action(function(result, target, value)
            result[target] = value
            if value == "words" then end_here() end
        end)
    end,

    run = function(given)
        if given.shell == "words" then
            io.stdout:write(completion.answer(given.rest))
        elseif given.shell == "bash" or given.shell == "zsh" or given.shell == "fish" then
            io.stdout:write(completion.script(given.shell))
        else
            refuse("no completion for '%s': expected bash, zsh or fish", given.shell)
        end
        return 0
    end,
}
