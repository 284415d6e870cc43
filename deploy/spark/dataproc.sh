#!/bin/sh
# A job on a Dataproc cluster whose nodes have the Python of the environment at the same path.
set -eu
: "${BUCKET:?the bucket}" "${CLUSTER:?the cluster}" "${REGION:?its region}"

gcloud dataproc jobs submit pyspark "gs://$BUCKET/graphagg/jobs/communities.py" \
    --cluster="$CLUSTER" --region="$REGION" \
    --archives="gs://$BUCKET/graphagg/graphagg-0.4.0-environment.tar.gz#environment" \
    --properties="spark.submit.deployMode=cluster,spark.yarn.appMasterEnv.PYSPARK_PYTHON=./environment/bin/python,spark.executorEnv.PYSPARK_PYTHON=./environment/bin/python" \
    -- --edges "gs://$BUCKET/edges/" --out "gs://$BUCKET/indices/communities"
