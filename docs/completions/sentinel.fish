# Made from the tree of verbs by `cargo test --test manual` (UPDATE_GOLDEN=1). Not to be edited.

# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sentinel_global_optspecs
    string join \n config= plain q/quiet dry-run m/memory= headroom= second-line= process-memory= swap= pids= timeout= thrash= min-available= tell-runtimes warn-at= warn-within= victim= on-breach= freeze-for= hold= grace= term-signal= kill-mode= on-exit= on-guardian-death= limit-exit-code= require= best-effort cgroup= slice= user= no-new-privs name= socket= metrics= json= json-fd= record= record-size= log= report= h/help V/version
end

function __fish_sentinel_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sentinel_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sentinel_using_subcommand
    set -l cmd (__fish_sentinel_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sentinel -n "__fish_sentinel_needs_command" -l config -d 'Read settings from this file: TOML, with the option names as keys' -r -F
complete -c sentinel -n "__fish_sentinel_needs_command" -s m -l memory -d 'Memory limit [default: 100M]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l headroom -d 'Room above the limit, up to memory.max [default: 64M, or 10% of the limit if that is more]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l second-line -d 'Send SIGKILL at once when memory reaches this [default: just under memory.max]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l process-memory -d 'Memory limit of each single process: who reaches it is ended, and the rest lives' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l swap -d 'Swap allowed beyond the limit, or max [default: 0]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l pids -d 'Processes and threads allowed, or max [default: 4096]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l timeout -d 'End the workload after this time; 0: never' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l thrash -d 'End a workload that stalls on memory for this share of the time, or off [default: 80%:1m]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l min-available -d 'End the workload when the machine has less memory than this available' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l warn-at -d 'Warn at this share of the limit [default: 80%]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l warn-within -d 'Warn when the limit is this near in time [default: 10s]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l victim -d 'Who is ended at the limit [default: workload]' -r -f -a "workload\t'All of the workload'
largest\t'Its largest process with what descends from it, again until memory is below the limit; the command\'s own last'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l on-breach -d 'What to do when the limit is reached [default: terminate]' -r -f -a "terminate\t'End it with the term signal, and SIGKILL after the grace period'
freeze\t'Freeze it, so that the limit can be raised; end it after --freeze-for'
warn\t'Only tell; the second line still ends it'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l freeze-for -d 'End a workload that --on-breach freeze froze after this time [default: 10m]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l hold -d 'Do that only when memory stays at the limit for this long [default: 0]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l grace -d 'Time from SIGTERM to SIGKILL; 0: none [default: 3s]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l term-signal -d 'Signal that asks the workload to end [default: TERM]' -r -f -a "TERM\t'end'
INT\t'interrupt, as by Ctrl-C'
HUP\t'the terminal is gone'
QUIT\t'end with a core dump'
USR1\t'what the program makes of it'
USR2\t'what the program makes of it'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l kill-mode -d 'Which processes get that signal [default: control-group]' -r -f -a "control-group\t'Every process of the workload'
mixed\t'The command\'s process; SIGKILL goes to every process'
process\t'The command\'s process; what is left after the grace period gets SIGKILL'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l on-exit -d 'What to do with remaining processes when the command ends [default: wait]' -r -f -a "wait\t'Guard them until they end by themselves'
terminate\t'End them as at the limit'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l on-guardian-death -d 'What to do with the workload when sentinel itself is killed [default: terminate]' -r -f -a "terminate\t'End it as at the limit'
kill\t'Send SIGKILL at once'
release\t'Let it go on, without limits'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l limit-exit-code -d 'Exit status when sentinel ended the workload for a limit [default: 128 + signal]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l require -d 'Refuse to run below this tier' -r -f -a "kernel\t'Limits in force in the kernel'
observed\t'At least the container\'s own limits, read'
hybrid\t'At least a cgroup to end the workload by'
polled\t'Any tier'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l cgroup -d 'Make the workload\'s cgroup in this one' -r -f -a "(__fish_complete_directories)"
complete -c sentinel -n "__fish_sentinel_needs_command" -l slice -d 'Slice for the scope that systemd makes [default: system.slice or app.slice]' -r -f
complete -c sentinel -n "__fish_sentinel_needs_command" -l user -d 'Run the command as this user; for root' -r -f -a "(__fish_complete_users)"
complete -c sentinel -n "__fish_sentinel_needs_command" -l name -d 'Name of this run, for its socket and its cgroup [default: the command\'s]' -r -f
complete -c sentinel -n "__fish_sentinel_needs_command" -l socket -d 'Socket for status and requests, or off [default: /tmp/sentinel.socket]' -r -F
complete -c sentinel -n "__fish_sentinel_needs_command" -l metrics -d 'Serve the metrics of all guardians over HTTP here while this one runs' -r -f
complete -c sentinel -n "__fish_sentinel_needs_command" -l json -d 'Write a record of the run to this file when it ends' -r -F
complete -c sentinel -n "__fish_sentinel_needs_command" -l json-fd -d 'Write the same record to this open descriptor, 3 to 63' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l record -d 'Write every sample and event to this file, for sentinel replay' -r -F
complete -c sentinel -n "__fish_sentinel_needs_command" -l record-size -d 'Largest size of that file [default: 64M]' -r
complete -c sentinel -n "__fish_sentinel_needs_command" -l log -d 'Copy what the command writes to the dashboard\'s pane into this file' -r -F
complete -c sentinel -n "__fish_sentinel_needs_command" -l report -d 'When to keep a post-mortem, for sentinel report [default: acted]' -r -f -a "acted\t'After runs that neither exited by themselves nor were interrupted with Ctrl-C'
always\t'After every run, except a dry run'
never\t'After no run'"
complete -c sentinel -n "__fish_sentinel_needs_command" -l plain -d 'Pass the command\'s output through untouched, without a dashboard'
complete -c sentinel -n "__fish_sentinel_needs_command" -s q -l quiet -d 'Print only what went wrong'
complete -c sentinel -n "__fish_sentinel_needs_command" -l dry-run -d 'Decide and report, but never act'
complete -c sentinel -n "__fish_sentinel_needs_command" -l tell-runtimes -d 'Tell Go, Node.js, Java and .NET the limit, by their environment variables'
complete -c sentinel -n "__fish_sentinel_needs_command" -l best-effort -d 'Go without what cannot be enforced here, and say so'
complete -c sentinel -n "__fish_sentinel_needs_command" -l no-new-privs -d 'Keep the command from gaining privileges by running other programs'
complete -c sentinel -n "__fish_sentinel_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sentinel -n "__fish_sentinel_needs_command" -s V -l version -d 'Print version'
complete -c sentinel -n __sentinel_at_first_word -f -a "attach" -d 'Guard what runs already'
complete -c sentinel -n __sentinel_at_first_word -f -a "status" -d 'Show the state of a running workload'
complete -c sentinel -n __sentinel_at_first_word -f -a "ps" -d 'List the guardians, or the processes of one'
complete -c sentinel -n __sentinel_at_first_word -f -a "top" -d 'Show all guardians live'
complete -c sentinel -n __sentinel_at_first_word -f -a "ctl" -d 'Send a request to a guardian'
complete -c sentinel -n __sentinel_at_first_word -f -a "report" -d 'Show the post-mortem of a run that has ended'
complete -c sentinel -n __sentinel_at_first_word -f -a "replay" -d 'Show a recorded run again, and what other rules would have done'
complete -c sentinel -n __sentinel_at_first_word -f -a "metrics" -d 'Serve the metrics of all guardians for Prometheus'
complete -c sentinel -n __sentinel_at_first_word -f -a "doctor" -d 'Say which tier this place allows, and how to get a better one'
complete -c sentinel -n __sentinel_at_first_word -f -a "help" -d 'Print the help of sentinel, or of a verb'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l cgroup -d 'The cgroup to guard; without a slash in front below /sys/fs/cgroup' -r -f -a "(__fish_complete_directories)"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l unit -d 'The unit of systemd to guard; without a kind it is a service' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l slice -d 'The slice of systemd to guard' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l container -d 'The container to guard, of any engine: its name, its id or the beginning of that' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l pid -d 'The process to guard, with all that descend from it' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l name -d 'The process to guard, by the name of its program' -r -f -a "(__fish_complete_command)"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l prefer -d 'End processes of this name first; a pattern such as \'chrom*\' (may be repeated)' -r -f -a "(__fish_complete_command)"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l avoid -d 'Never end processes of this name (may be repeated)' -r -f -a "(__fish_complete_command)"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l total -d 'Memory limit of all of them together: where it is reached one is ended, and the others live' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l victim -d 'Which one that is [default: largest]; without --total, largest: of each, its largest process is ended at its limit' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -s m -l memory -d 'Memory limit, of each [default: so far below its memory.max that an end has room]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l process-memory -d 'Memory limit of each single process: who reaches it is ended, and the rest lives' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l headroom -d 'Room above the limit [default: 64M, or 10% of the limit if that is more]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l thrash -d 'End what stalls on memory for this share of the time, or off [default: 80%:1m]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l min-available -d 'End the largest of them when the machine has less memory than this available' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l warn-at -d 'Warn at this share of the limit [default: 80%]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l on-breach -d 'What to do when the limit is reached [default: terminate]' -r -f -a "terminate\t'End it with the term signal, and SIGKILL after the grace period'
freeze\t'Freeze it, so that the limit can be raised; end it after --freeze-for'
warn\t'Only tell; the second line still ends it'"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l freeze-for -d 'End what --on-breach freeze froze after this time [default: 10m]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l hold -d 'Do that only when memory stays at the limit for this long [default: 0]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l grace -d 'Time from SIGTERM to SIGKILL; 0: none [default: 3s]' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l term-signal -d 'Signal that asks it to end [default: TERM]' -r -f -a "TERM\t'end'
INT\t'interrupt, as by Ctrl-C'
HUP\t'the terminal is gone'
QUIT\t'end with a core dump'
USR1\t'what the program makes of it'
USR2\t'what the program makes of it'"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l kill-mode -d 'Which processes get that signal [default: control-group]' -r -f -a "control-group\t'Every process of the workload'
mixed\t'The command\'s process; SIGKILL goes to every process'
process\t'The command\'s process; what is left after the grace period gets SIGKILL'"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l end-by -d 'Who asks it to end: sentinel, or the owner, which knows then that it was stopped [default: signal]' -r -f -a "signal\t'By the term signal, from sentinel'
stop\t'By its owner (systemd, Docker, podman), which then knows that it was stopped and does not start it again'"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l as -d 'Name of this guardian, for its socket [default: what is guarded]' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l socket -d 'Socket for status and requests, or off [default: /tmp/sentinel.socket]' -r -F
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l metrics -d 'Serve the metrics of all guardians over HTTP here' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l report -d 'When to keep a post-mortem, for sentinel report [default: acted]' -r -f -a "acted\t'After runs that neither exited by themselves nor were interrupted with Ctrl-C'
always\t'After every run, except a dry run'
never\t'After no run'"
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l config -d 'Read settings from this file (TOML, the option names as keys)' -r -F
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l pods -d 'Guard each container of the pods of this machine, as they come and go; with --cgroup of those in there'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l machine -d 'Guard all that runs here: when the machine is short of memory, end the largest process'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l each -d 'Guard each cgroup in it by itself, as they come and go'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -l dry-run -d 'Decide and report, but never act; nothing is written'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -s q -l quiet -d 'Print only what went wrong'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sentinel -n "__fish_sentinel_using_subcommand attach" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand status" -l socket -d 'The guardian\'s socket [default: /tmp/sentinel.socket]' -r -F
complete -c sentinel -n "__fish_sentinel_using_subcommand status" -l json -d 'Print JSON'
complete -c sentinel -n "__fish_sentinel_using_subcommand status" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand status" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand ps" -l json -d 'Print JSON'
complete -c sentinel -n "__fish_sentinel_using_subcommand ps" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand ps" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand top" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand top" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand ctl" -s g -l guardian -d 'The guardian, by the name of its run or a process id; sentinel ps lists them' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand ctl" -l socket -d 'The guardian\'s socket [default: /tmp/sentinel.socket]' -r -F
complete -c sentinel -n "__fish_sentinel_using_subcommand ctl" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sentinel -n "__fish_sentinel_using_subcommand ctl" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand report" -l json -d 'Print JSON; docs/post-mortem.schema.json describes it'
complete -c sentinel -n "__fish_sentinel_using_subcommand report" -l html -d 'Print a page for browsers, which needs no other file'
complete -c sentinel -n "__fish_sentinel_using_subcommand report" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand report" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l speed -d 'How many times as fast to play it; text is printed at once without this' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -s m -l memory -d 'Memory limit' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l headroom -d 'Room above the limit, up to memory.max' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l second-line -d 'SIGKILL at once when memory reaches this' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l swap -d 'Swap allowed beyond the limit, or max' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l grace -d 'Time from SIGTERM to SIGKILL' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l timeout -d 'Wall-clock limit' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l warn-at -d 'Warn at this share of the limit' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l warn-within -d 'Warn when the limit is this near in time' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l thrash -d 'End a workload that stalls on memory for this share of the time, or off' -r
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l plain -d 'Print lines of text instead of the dashboard'
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l json -d 'Print only the outcome, as JSON'
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -l what-if -l whatif -d 'Say what the rules given here would have done, and play nothing'
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand replay" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand metrics" -l listen -d 'Address and port' -r -f
complete -c sentinel -n "__fish_sentinel_using_subcommand metrics" -l once -d 'Print them once, and serve nothing'
complete -c sentinel -n "__fish_sentinel_using_subcommand metrics" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand metrics" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand doctor" -l json -d 'Print JSON'
complete -c sentinel -n "__fish_sentinel_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c sentinel -n "__fish_sentinel_using_subcommand help" -s h -l help -d 'Print help'
complete -c sentinel -n "__fish_sentinel_using_subcommand help" -s V -l version -d 'Print version'

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
    not __sentinel_command >/dev/null; and not __fish_sentinel_using_subcommand attach status ps top ctl report replay metrics doctor help
end

# What stands before the cursor of a run's command, a word a line; fails where the words so far are a verb's or options.
function __sentinel_command
    set -l words (commandline -opc)
    set -e words[1]
    contains -- "$words[1]" attach status ps top ctl report replay metrics doctor help; and return 1
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                string join \n -- $words
                return 0
            case '-*'
                contains -- $words[1] --config -m --memory --headroom --second-line --process-memory --swap --pids --timeout --thrash --min-available --warn-at --warn-within --victim --on-breach --freeze-for --hold --grace --term-signal --kill-mode --on-exit --on-guardian-death --limit-exit-code --require --cgroup --slice --user --name --socket --metrics --json --json-fd --record --record-size --log --report; and set -e words[1]
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
        contains -- $words[1] --as --avoid --cgroup --config --container --end-by --freeze-for --grace --guardian --headroom --hold --kill-mode --listen --memory --metrics --min-available --name --on-breach --pid --prefer --process-memory --report --second-line --slice --socket --speed --swap --term-signal --thrash --timeout --total --unit --victim --warn-at --warn-within -g -m; and set -e words[1]
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

complete -c sentinel -n 'not __fish_sentinel_using_subcommand attach status ps top ctl report replay metrics doctor help' -f -a '(__sentinel_complete_command)'
complete -c sentinel -n '__fish_sentinel_using_subcommand ctl' -s g -l guardian -x -a '(__sentinel_guardians)'
complete -c sentinel -n '__fish_sentinel_using_subcommand ctl; and string match -q set -- (commandline -opc)[-1]' -f -a 'memory grace timeout pids'
complete -c sentinel -n '__fish_sentinel_using_subcommand ctl; and contains -- (commandline -opc)[-1] status ps limits events wards watch' -f -a json
# No file where the generator knows of no word.
complete -c sentinel -n '__fish_sentinel_using_subcommand status ps top ctl metrics doctor help' -f
complete -c sentinel -n '__sentinel_is_first status' -k -f -a '(__sentinel_guardians)'
complete -c sentinel -n '__sentinel_is_first ps' -k -f -a '(__sentinel_guardians)'
complete -c sentinel -n '__sentinel_is_first top' -k -f -a '(__sentinel_guardians)'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a ping -d 'Whether it answers'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a status -d 'Memory, lines, state and forecast of the workload'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a ps -d 'Its processes, largest first'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a limits -d 'The lines that memory is compared with'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a events -d 'What happened so far'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a metrics -d 'The state in Prometheus\' text format'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a wards -d 'All workloads of a guardian; @NAME before a request chooses one'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a watch -d 'Status and events as they come, until Ctrl-C'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a set -d 'Set memory SIZE [--force], grace DURATION, timeout DURATION|off or pids N'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a signal -d 'Send one process of the workload a signal: PID SIGNAL'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a freeze -d 'Stop the workload where it is'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a thaw -d 'Let it go on'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a terminate -d 'End it: SIGTERM, then SIGKILL after the grace period'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a kill -d 'End it at once with SIGKILL'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a detach -d 'Guard it no more; of sentinel attach'
complete -c sentinel -n '__sentinel_is_first ctl' -f -a help -d 'The guardian\'s own list of requests'
complete -c sentinel -n '__sentinel_is_first report' -k -f -a '(__sentinel_post_mortems)'
complete -c sentinel -n '__sentinel_is_first help' -f -a attach
complete -c sentinel -n '__sentinel_is_first help' -f -a status
complete -c sentinel -n '__sentinel_is_first help' -f -a ps
complete -c sentinel -n '__sentinel_is_first help' -f -a top
complete -c sentinel -n '__sentinel_is_first help' -f -a ctl
complete -c sentinel -n '__sentinel_is_first help' -f -a report
complete -c sentinel -n '__sentinel_is_first help' -f -a replay
complete -c sentinel -n '__sentinel_is_first help' -f -a metrics
complete -c sentinel -n '__sentinel_is_first help' -f -a doctor
complete -c sentinel -n '__sentinel_is_first help' -f -a help
