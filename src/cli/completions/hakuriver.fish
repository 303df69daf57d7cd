# Completion of hakuriver and its programs for fish: what fits is asked of the program itself.

function __hakuriver_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program $words[1]
    # the words as the program would be handed them; one line each way
    for line in ($program __complete -- $words[2..-1] "$typed" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$typed"
            case :directories
                __fish_complete_directories "$typed"
            case ':command *'
                set -l at (math 2 + (string replace ':command ' '' -- $line))
                set -l before
                if test $at -le (count $words)
                    set before (string escape -- $words[$at..-1])
                end
                complete -C (string join -- ' ' $before $typed)
            case '*'
                echo $line
        end
    end
end

for program in hakuriver hakuriver.client hakuriver.host hakuriver.runner hakuriver.init hakurun
    complete --command $program --no-files --keep-order --arguments '(__hakuriver_complete)'
end
