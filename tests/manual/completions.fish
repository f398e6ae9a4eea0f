# A verb is the first word or none: options before it make it a command.
function __fish_sentinel_using_subcommand
    set -l words (commandline -opc)
    set -q words[2]; and contains -- "$words[2]" $argv
end

function __sentinel_at_first_word
    set -l words (commandline -opc)
    not set -q words[2]
end

# Options of a run are looked for as long as no command and no verb is there; also where the value of one is missing.
function __fish_sentinel_needs_command
    not __sentinel_command >/dev/null; and not __fish_sentinel_using_subcommand @VERBS@
end

# What stands before the cursor of a run's command, a word a line; fails where the words so far are a verb's or options.
function __sentinel_command
    set -l words (commandline -opc)
    set -e words[1]
    contains -- "$words[1]" @VERBS@; and return 1
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                string join \n -- $words
                return 0
            case '-*'
                contains -- $words[1] @VALUE_OPTIONS@; and set -e words[1]
                set -e words[1]
            case '*'
                string join \n -- $words
                return 0
        end
    end
    return 1
end

# Completions of the command itself. Every command there is would bury the verbs.
function __sentinel_complete_command
    set -l current (commandline -ct)
    __sentinel_at_first_word; and test -z "$current"; and return
    set -l words (__sentinel_command)
    string match -q -- '-*' $current; and not set -q words[1]; and return
    complete -C (string join ' ' -- (string escape -- $words) $current)
end

# Whether a verb's first word is still to come.
function __sentinel_is_first
    __fish_sentinel_using_subcommand $argv[1]
    or return
    set -l words (commandline -opc)
    set -e words[1..2]
    while set -q words[1]
        string match -q -- '-*' $words[1]; or return 1
        contains -- $words[1] @VALUE_OPTIONS_OF_VERBS@; and set -e words[1]
        set -e words[1]
    end
end

# Names of guardians that run.
function __sentinel_guardians
    sentinel ps --json 2>/dev/null | string match -r -a '"name":"[A-Za-z0-9._-]*","pid":' | string split -f 4 '"'
end

# Names of runs that have a post-mortem.
function __sentinel_post_mortems
    string join \n last list
    sentinel report list --json 2>/dev/null | string match -r -a '"name": *"[A-Za-z0-9._-]*"' | string split -f 4 '"' | sort -u
end

complete -c sentinel -n 'not __fish_sentinel_using_subcommand @VERBS@' -f -a '(__sentinel_complete_command)'
complete -c sentinel -n '__fish_sentinel_using_subcommand ctl' -s g -l guardian -x -a '(__sentinel_guardians)'
complete -c sentinel -n '__fish_sentinel_using_subcommand ctl; and string match -q set -- (commandline -opc)[-1]' -f -a '@SETTINGS@'
complete -c sentinel -n '__fish_sentinel_using_subcommand ctl; and contains -- (commandline -opc)[-1] @JSON_REQUESTS@' -f -a json
# No file where the generator knows of no word.
complete -c sentinel -n '__fish_sentinel_using_subcommand status ps top ctl metrics doctor help' -f
