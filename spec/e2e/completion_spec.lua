-- Completion, in real shells.
local support = require("spec.support")

local directory -- with a configuration and a store of jobs
local env

local function absolute(path)
    local pipe <close> = assert(io.popen("realpath " .. support.quote(path)))
    return pipe:read("l")
end

local CONFIG <const> = [[return { profiles = {
    production = { clusters = { paris = { connect = "0c7067d6-c70a-11ea-87d0-0242ac130003" } } },
    staging = { store = "staging.db", clusters = { lyon = { connect = "0c7067d6-c70a-11ea-87d0-0242ac130004" } } },
} }]]

-- Presses Tab in bash: calls the function that bash would call, with the words as bash would split them.
local BASH <const> = [[
source <(kmirror completion bash)
set -- kmirror "$@"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
[ "$(complete -p kmirror)" = "complete -F _kmirror kmirror" ] || exit 1
_kmirror
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
]]

-- Types into a zsh on a terminal, and has it write down what its line has become.
local ZSH <const> = [==[
zmodload zsh/zpty
zpty typed zsh -f -i
zpty -w typed "autoload -Uz compinit; compinit -u -D; source <(kmirror completion zsh)"
zpty -w typed "show() { print -r -- \$BUFFER > $2.new; mv $2.new $2 }; zle -N show; bindkey '^X' show; print rea''dy"
while zpty -r typed line; do [[ $line == *ready* ]] && break; done
zpty -w -n typed "$1"$'\x18'
for i in {1..100}; do [ -e $2 ] && break; sleep 0.05; done
zpty -d typed
cat $2
]==]

local function in_bash(...)
    local words = { ... }
    local options = { "--norc", "-c", BASH, "bash", command = "bash", env = env, directory = directory }
    table.move(words, 1, #words, #options + 1, options)
    local result = support.run(options)
    assert.are.equal("", result.stderr)
    return result.stdout
end

local function in_zsh(keys)
    local out = support.temporary("line")
    return support.run { "-f", "-c", ZSH, "zsh", keys, absolute(out:match("^(.*)/")) .. "/" .. out:match("[^/]+$"),
        command = "zsh", env = env, directory = directory }.stdout
end

local function in_fish(line)
    local script = "kmirror completion fish | source; complete --do-complete $argv[1]"
    local result = support.run { "--no-config", "-c", script, line, command = "fish", env = env, directory = directory }
    assert.are.equal("", result.stderr)
    return result.stdout
end

setup(function()
    directory = support.temporary_directory("complete")
    assert(os.execute(("mkdir -p %s/config/kmirror && touch %s/mirrors.csv"):format(directory, directory)))
    support.write(directory .. "/config/kmirror/config.lua", CONFIG)
    support.write(directory .. "/mine.lua", 'parser:option("--depth -d", "How deep."):flag "--wide"\nerror "ran"\n')
    env = {
        PATH = absolute(support.build) .. ":" .. os.getenv("PATH"), XDG_CONFIG_HOME = directory .. "/config",
        XDG_STATE_HOME = directory .. "/state", TERM = "xterm",
    }
    local noted = support.run { "run", "--sandbox", "--job", "saturday", "-", stdin = "return 0", env = env }
    assert.are.equal(0, noted.status, noted.stderr)
    noted = support.run { "run", "--sandbox", "--job", "sunday", "--store", "staging.db", "-", stdin = "return 0",
        env = env, executable = absolute(support.executable), directory = directory }
    assert.are.equal(0, noted.status, noted.stderr)
end)

describe("completion in bash", function()
    it("completes commands, and the options of a command", function()
        assert.are.equal("latency\n", in_bash("lat"))
        assert.are.equal("--canary\n", in_bash("apply", "--can"))
        assert.are.equal("", in_bash("list", "--can"))
    end)

    it("completes the names of runbooks, and then their own options", function()
        assert.are.equal("failover\n", in_bash("run", "--sandbox", "failo"))
        assert.are.equal("--disaster\n", in_bash("run", "--sandbox", "failover", "--dis"))
        assert.are.equal("", in_bash("run", "failover", "--sand"))
    end)

    it("completes a runbook of somebody's own from its text, without running it", function()
        assert.are.equal("mine.lua\n", in_bash("run", "min"))
        assert.are.equal("--wide\n", in_bash("run", "mine.lua", "--w"))
    end)

    it("knows profiles, and the clusters of the profile that was chosen", function()
        assert.are.equal("production\nstaging\n", in_bash("--profile", ""))
        assert.are.equal("paris\n", in_bash("--profile", "production", "list", "--cluster", ""))
        assert.are.equal("lyon\n", in_bash("list", "--profile", "=", "staging", "--cluster", "=", "l"))
        assert.are.equal("lyon\n", in_bash("run", "--profile", "staging", "failover", "--to", ""))
        assert.are.equal("us-east\nus-west\n", in_bash("list", "--sandbox", "--cluster", "="))
    end)

    it("knows jobs", function()
        assert.are.equal("saturday\n", in_bash("jobs", "resume", ""))
        assert.are.equal("saturday\n", in_bash("run", "--job", "s"))
        assert.are.equal("sunday\n", in_bash("--profile", "staging", "jobs", "resume", ""))
        assert.are.equal("sunday\n", in_bash("--store", "staging.db", "jobs", "show", ""))
    end)

    it("offers values that are few, and files where files belong", function()
        assert.are.equal("debug\n", in_bash("list", "--log-level", "d"))
        assert.are.equal("flaky\n", in_bash("run", "--sandbox", "--faults", "fl"))
        assert.are.equal("mirrors.csv\n", in_bash("plan", "mir"))
    end)
end)

describe("completion in zsh", function()
    it("completes a line as it is typed", function()
        assert.are.equal("kmirror --profile production list --cluster paris \n",
            in_zsh("kmirror --prof\t pro\t lis\t --clu\t\t"))
        assert.are.equal("kmirror run --sandbox failover --disaster \n", in_zsh("kmirror run --san\t failo\t --dis\t"))
    end)
end)

describe("completion in fish", function()
    it("completes, and says what the words mean", function()
        assert.are.equal("latency\tSet the target latency of a mirror.\n", in_fish("kmirror lat"))
        assert.is_truthy(in_fish("kmirror run failover --dis"):find("^%-%-disaster\tFROM is lost"))
        assert.are.equal("--cluster=paris\tKafka Connect 0c7067d6-c70a-11ea-87d0-0242ac130003\n",
            in_fish("kmirror list --profile production --cluster="))
        assert.are.equal("mirrors.csv\n", in_fish("kmirror plan mir"))
    end)
end)

describe("completion", function()
    it("makes no store, and says nothing of a configuration that is wrong", function()
        local elsewhere = support.temporary_directory()
        support.write(elsewhere .. "/broken.lua", "return 7")
        assert(os.execute(("mkdir %s/kmirror && mv %s/broken.lua %s/kmirror/config.lua"):format(
            elsewhere, elsewhere, elsewhere)))
        for _, words in ipairs { { "jobs", "show", "" }, { "--profile", "" }, { "list", "--cluster", "" } } do
            local result = support.run { "completion", "words", words[1], words[2], words[3],
                env = { XDG_CONFIG_HOME = elsewhere, XDG_STATE_HOME = elsewhere .. "/state" } }
            assert.are.equal("", result.stderr)
            assert.are.equal(0, result.status)
        end
        assert.is_nil(io.open(elsewhere .. "/state/kmirror/jobs.db"))
    end)

    it("knows only bash, zsh and fish", function()
        local result = support.run { "completion", "tcsh" }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("no completion for 'tcsh': expected bash, zsh or fish", 1, true))
    end)
end)
