# The workflow with all that it needs: docker build --tag gradiend .
# docker run --volume "$PWD:/work" gradiend --cores 4 --configfile my.yaml
FROM python:3.12-slim
WORKDIR /gradiend
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt ".[hub]"
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/gradiend/Snakefile"]
