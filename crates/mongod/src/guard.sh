# Owns the folder of one server, and ends both when the owner of the server is gone.
# Standard input is a pipe that only the owner holds: it ends when the owner closes it or dies.
# $1 is where to make the folder; its path is the one line on standard output.
trap '' HUP INT QUIT TERM PIPE TSTP
umask 077
folder=$(mktemp -d "$1/oplogsync-mongod.XXXXXX") || exit 1
printf '%s\n' "$folder"
read -r _
# A server that is just starting writes its pid under the old name, or does not start.
mv "$folder" "$folder.gone" && folder=$folder.gone
if [ -e "$folder/pid" ] && read -r pid < "$folder/pid"; then
    kill -9 "$pid" 2>/dev/null
fi
# A killed server may still finish a system call that makes a file.
tries=0
until rm -rf "$folder" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || exit 1
    sleep 0.1
done
