# SPDX-License-Identifier: BSD-3-Clause
# bash completion of homepatch(1). Names of devices and controllers are asked of the agent, which has a second to answer.

_homepatch_ask() {
    homepatch --timeout 1 "$@" 2> /dev/null
}

# Alias or name, whichever is one word, of every device.
_homepatch_devices() {
    _homepatch_ask --json devices | sed -n 's/^[[:space:]]*"\(alias\|name\)":[[:space:]]*"\([^" ]*\)",*$/\2/p'
}

_homepatch_controllers() {
    _homepatch_ask get 'Device.LocalAgent.Controller.*.EndpointID' | sed 's/^[^=]*= //'
}

_homepatch() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' word i
    local commands='devices show download activate watch events get set add del operate instances supported enrol doctor version accept reject forget lan-broker release hosts'
    local options='--socket --endpoint --json --timeout --help'

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --socket | --endpoint | --timeout) i=$((i + 1)) ;;
            -*) ;;
            *)
                command=${COMP_WORDS[i]}
                break
                ;;
        esac
    done
    case $prev in
        --socket | --config | --dir | --password-file)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --type)
            word='Event ValueChange ObjectCreation ObjectDeletion OperationComplete'
            mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
            return
            ;;
        --checksum)
            mapfile -t COMPREPLY < <(compgen -W 'sha1: sha224: sha256: sha384: sha512:' -- "$cur")
            compopt -o nospace
            return
            ;;
        --endpoint | --timeout | --depth | --count | --slot | --window | --model | --key | --username) return ;;
    esac
    case $command in
        '') word="$commands $options --version" ;;
        devices) word="$options --model" ;;
        release | reject | forget) word="$options $(_homepatch_devices)" ;;
        lan-broker) word="$options --dir --config list init set add remove rotate write" ;;
        show) word="$options $(_homepatch_devices)" ;;
        watch) word="$options $(_homepatch_devices)" ;;
        download)
            word="$options --checksum --activate --username --password-file --slot --no-wait --all --model $(_homepatch_devices)"
            ;;
        activate) word="$options --window --slot --no-wait --all --model $(_homepatch_devices)" ;;
        get) word="$options --depth Device." ;;
        set | add | del) word="$options --partial Device." ;;
        operate) word="$options --key --no-wait Device." ;;
        instances | supported) word="$options --first-level Device." ;;
        events) word="$options --type --count Device." ;;
        doctor)
            case $prev in
                doctor) word="$options --config controller device update" ;;
                controller) word=$(_homepatch_controllers) ;;
                device | update) word=$(_homepatch_devices) ;;
                *) word="$options --config" ;;
            esac
            ;;
        *) word=$options ;;
    esac
    # Options only where one is begun.
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur" | { [[ $cur == -* ]] && cat || grep -v '^--'; })
    if [ ${#COMPREPLY[@]} = 1 ] && [ "${COMPREPLY[0]}" = Device. ]; then
        compopt -o nospace
    fi
}
complete -F _homepatch homepatch
