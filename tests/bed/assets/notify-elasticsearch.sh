#!/bin/bash
# Starts Elasticsearch and tells systemd when it is ready, as the packages' own systemd module does, which the small
# distribution lacks: once HTTP is bound, which is when the node writes its ports file.
# notify-elasticsearch.sh LOGS [ARGUMENT...]
ports=${1:?LOGS}/http.ports
rm -f "$ports"
echo "Starting $INVOCATION_ID"  # for who counts starts: this systemd's own messages go nowhere
(  # a grandchild, so that the server, which takes this process's place, has no child that it does not know
  ( while kill -0 $$ 2>/dev/null; do [ -e "$ports" ] && exec systemd-notify --ready; sleep .1; done ) &
)
exec /usr/share/elasticsearch/bin/elasticsearch "${@:2}"
